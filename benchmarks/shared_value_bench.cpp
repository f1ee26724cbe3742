// SPDX-License-Identifier: Apache-2.0

// What a change of a shared value costs in one process: before and after its
// handle has gone to another one, beside a plain atomic number.

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/environments/event.hpp"
#include "puma/environments/main.hpp"
#include "puma/environments/process_environment.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/environments/shared_value.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

namespace {

using number = puma::shared_value<std::int64_t>;

/// Keeps a handle of what it got.
class keeper : public puma::command_driven_runnable {
 public:
  explicit keeper(number x, puma::event e)
    : command_driven_runnable("keeper"),
      number_(std::move(x)),
      event_(std::move(e)) {}

 private:
  number number_;
  puma::event event_;
};

/// Another process that has the handles as well.
struct other_process {
  puma::runtime rt;
  puma::process_environment env{rt};
  number shared = env.make_value<std::int64_t>("shared");
  puma::event event = env.make_event("shared");
  puma::runner keeps = env.run<keeper>(shared, event);

  other_process() { keeps.wait_until_running(); }
};

std::unique_ptr<other_process> other;

void add(benchmark::State& state, const number& x) {
  for (auto _ : state)
    benchmark::DoNotOptimize(x.add(1));
  state.SetItemsProcessed(state.iterations());
}

void atomic_add(benchmark::State& state) {
  static std::atomic<std::int64_t> x;
  for (auto _ : state)
    benchmark::DoNotOptimize(x.fetch_add(1));
  state.SetItemsProcessed(state.iterations());
}

void add_at_home(benchmark::State& state) {
  static const number x{"home"};
  add(state, x);
}

void add_exported(benchmark::State& state) {
  add(state, other->shared);
}

void make(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(number{"x"});
  state.SetItemsProcessed(state.iterations());
}

void set(benchmark::State& state, puma::event x) {
  for (auto _ : state) {
    x.set();
    x.clear();
  }
  state.SetItemsProcessed(state.iterations());
}

void set_at_home(benchmark::State& state) {
  set(state, puma::event{"home"});
}

void set_exported(benchmark::State& state) {
  set(state, other->event);
}

BENCHMARK(atomic_add)->Name("atomic/add")->ThreadRange(1, 2);
BENCHMARK(add_at_home)->Name("shared_value/add/home")->ThreadRange(1, 2);
BENCHMARK(add_exported)->Name("shared_value/add/exported")->ThreadRange(1, 2);
BENCHMARK(make)->Name("shared_value/make");
BENCHMARK(set_at_home)->Name("event/set_and_clear/home");
BENCHMARK(set_exported)->Name("event/set_and_clear/exported");

} // namespace

int main(int argc, char** argv) {
  if (const auto code = puma::run_as_worker(argc, argv))
    return *code;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 1;
  other = std::make_unique<other_process>();
  benchmark::RunSpecifiedBenchmarks();
  other.reset();
}
