// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace puma_bench {

namespace {

using std::chrono::steady_clock;

/// How long the saturated runnable takes for each of its hooks.
constexpr std::int64_t hook_ns = 100'000;

constexpr std::uint64_t many = 10'000;

/// Notes how late each tick comes, and ends after so many.
class ticking final : public puma::command_driven_runnable {
 public:
  ticking(steady_clock::duration interval, std::uint64_t ticks,
          std::vector<double>* late_us)
    : command_driven_runnable("ticking"),
      left_(ticks),
      late_us_(late_us) {
    set_tick_interval(interval, puma::late_ticks::catch_up);
    resume_ticks();
  }

 protected:
  void on_tick(steady_clock::time_point due) override {
    const std::chrono::duration<double, std::micro> late = steady_clock::now()
                                                           - due;
    late_us_->push_back(late.count());
    if (--left_ == 0)
      stop();
  }

 private:
  std::uint64_t left_;
  std::vector<double>* late_us_;
};

/// Always has more to do.
class saturated final : public puma::source_runnable {
 public:
  saturated() : source_runnable("saturated") {}

 protected:
  bool on_demand() override {
    const auto end = now_ns() + hook_ns;
    while (now_ns() < end) {
      // Computes.
    }
    return true;
  }
};

measurement run_tickers(const settings& given, std::uint64_t tickers,
                        steady_clock::duration interval, bool busy,
                        std::string note) {
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment env{rt};
  const auto ticks = std::max<std::uint64_t>(given.items / tickers, 1);
  std::vector<std::vector<double>> late(tickers);
  for (auto& x : late)
    x.reserve(ticks);
  std::vector<puma::runner> beside;
  if (busy)
    beside.push_back(env.run<saturated>());
  std::vector<puma::runner> runners;
  runners.reserve(tickers);
  const auto begin = now_ns();
  for (auto& x : late)
    runners.push_back(env.run<ticking>(interval, ticks, &x));
  for (auto& x : runners)
    x.join();
  const auto end = now_ns();
  for (auto& x : beside)
    x.stop();
  rt.join();

  std::vector<double> all;
  for (const auto& x : late)
    all.insert(all.end(), x.begin(), x.end());
  check("ticks", all.size(), ticks * tickers);
  std::ranges::sort(all);
  return {.items = all.size(),
          .seconds = seconds_between(begin, end),
          .p50_us = all[all.size() / 2],
          .p99_us = all[all.size() * 99 / 100],
          .note = std::move(note)};
}

} // namespace

measurement run_ticks(const settings& given) {
  return run_tickers(given, 1, std::chrono::milliseconds{1}, false,
                     "how late the ticks of one runnable are");
}

measurement run_ticks_beside(const settings& given) {
  return run_tickers(given, 1, std::chrono::milliseconds{1}, true,
                     "beside a runnable that never rests");
}

measurement run_many_ticks(const settings& given) {
  return run_tickers(given, std::min(many, given.items),
                     std::chrono::seconds{1}, false,
                     "each of up to 10,000 runnables ticks every second");
}

} // namespace puma_bench
