// SPDX-License-Identifier: Apache-2.0

// Values through pooled runnables, beside what one would write with CAF alone:
// one message per value, or one per 128 values, with a credit window.

#include "benchmarks/caf_yardstick.hpp"
#include "puma/puma.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>
#include <utility>

namespace {

using value = std::int64_t;
using value_buffer = puma::buffer<value>;

/// How many values flow in one iteration; starting and joining the runnables is
/// part of it.
constexpr value run_length = 1 << 20;

constexpr value expected_sum = run_length * (run_length - 1) / 2;

// -- runnables ----------------------------------------------------------------

class counter final : public puma::source_runnable {
 public:
  explicit counter(const value_buffer& out)
    : source_runnable("counter"),
      out_(publish_to(out)) {}

 protected:
  bool on_demand() override {
    out_.publish(next_);
    return ++next_ != run_length;
  }

 private:
  puma::publisher<value> out_;
  value next_ = 0;
};

class incrementer final : public puma::single_buffer_servicing_runnable<value> {
 public:
  incrementer(const value_buffer& in, const value_buffer& out)
    : single_buffer_servicing_runnable("incrementer", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(value& x) override { out_.publish(x + 1); }

 private:
  puma::publisher<value> out_;
};

class summer final : public puma::single_buffer_servicing_runnable<value> {
 public:
  summer(const value_buffer& in, value* result)
    : single_buffer_servicing_runnable("summer", in),
      result_(result) {}

 protected:
  void on_value(value& x) override { sum_ += x; }

  void on_complete(const puma::failure*) override { *result_ = sum_; }

 private:
  value sum_ = 0;
  value* result_;
};

// -- puma ---------------------------------------------------------------------

std::size_t capacity_of(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0));
}

/// A source and a sink.
void one_hop(benchmark::State& state) {
  puma::runtime rt;
  const puma::thread_environment env{rt};
  for (auto _ : state) {
    const auto values = env.make_buffer<value>("values", capacity_of(state));
    value sum = 0;
    auto sink = env.run<summer>(values, &sum);
    auto source = env.run<counter>(values);
    sink.join();
    source.join();
    if (sum != expected_sum)
      state.SkipWithError("wrong sum");
  }
  state.SetItemsProcessed(state.iterations() * run_length);
}

/// A source, a stage and a sink.
void pipe3(benchmark::State& state) {
  puma::runtime rt;
  const puma::thread_environment env{rt};
  for (auto _ : state) {
    const auto values = env.make_buffer<value>("values", capacity_of(state));
    const auto stepped = env.make_buffer<value>("stepped", capacity_of(state));
    value sum = 0;
    auto sink = env.run<summer>(stepped, &sum);
    auto stage = env.run<incrementer>(values, stepped);
    auto source = env.run<counter>(values);
    sink.join();
    stage.join();
    source.join();
    if (sum != expected_sum + run_length)
      state.SkipWithError("wrong sum");
  }
  state.SetItemsProcessed(state.iterations() * run_length);
}

/// One value at a time from this thread to a runnable and back.
void round_trip(benchmark::State& state) {
  puma::runtime rt;
  const puma::thread_environment env{rt};
  const auto there = env.make_buffer<value>("there", capacity_of(state));
  const auto back = env.make_buffer<value>("back", capacity_of(state));
  auto out = there.open_publisher();
  auto in = back.subscribe();
  auto stage = env.run<incrementer>(there, back);
  stage.wait_until_running();
  value x = 0;
  for (auto _ : state) {
    out.publish(x);
    x = *in.next();
  }
  out.complete();
  stage.join();
  state.SetItemsProcessed(state.iterations());
}

// -- CAF ----------------------------------------------------------------------

void caf_hop(benchmark::State& state, std::int64_t batch) {
  puma_bench::caf_hop hop{state.range(0), batch};
  for (auto _ : state) {
    if (hop.run(run_length) != expected_sum)
      state.SkipWithError("wrong sum");
  }
  state.SetItemsProcessed(state.iterations() * run_length);
}

void caf_round_trip(benchmark::State& state) {
  puma_bench::caf_echo echo;
  value x = 0;
  for (auto _ : state)
    x = echo.ask(x);
  state.SetItemsProcessed(state.iterations());
}

template <class... Args>
auto* add(const std::string& name, Args... args) {
  return benchmark::RegisterBenchmark(name.c_str(), args...)->UseRealTime();
}

} // namespace

int main(int argc, char** argv) {
  for (const std::int64_t capacity : {16, 64, 1024}) {
    add("hop/one/int64", &one_hop)->ArgName("capacity")->Arg(capacity);
    add("hop/pipe3/int64", &pipe3)->ArgName("capacity")->Arg(capacity);
    add("yardstick/caf_send/one/int64", &caf_hop, std::int64_t{1})
      ->ArgName("window")
      ->Arg(capacity);
  }
  add("yardstick/caf_vector128/one/int64", &caf_hop, std::int64_t{128})
    ->ArgName("window")
    ->Arg(1024);
  add("hop/round_trip/int64", &round_trip)->ArgName("capacity")->Arg(1024);
  add("yardstick/caf_send/round_trip/int64", &caf_round_trip);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
