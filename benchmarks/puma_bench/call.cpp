// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace puma_bench {

namespace {

class answering final : public puma::command_driven_runnable {
 public:
  answering() : command_driven_runnable("answering") {}

  std::int64_t next(std::int64_t x) { return x + 1; }
};

/// Calls another runnable again as soon as it has the answer, without waiting.
class asking final : public puma::command_driven_runnable {
 public:
  asking(puma::remote<answering> other, std::int64_t count)
    : command_driven_runnable("asking"),
      other_(std::move(other)),
      count_(count) {}

  std::int64_t sum() { return at_; }

 protected:
  void on_start() override { ask(); }

 private:
  void ask() {
    other_.async<&answering::next>(at_).then([this](std::int64_t x) {
      at_ = x;
      if (at_ != count_)
        ask();
      else
        publish_status(at_);
    });
  }

  puma::remote<answering> other_;
  std::int64_t count_;
  std::int64_t at_ = 0;
};

std::unique_ptr<puma::environment> make_environment(puma::runtime& rt,
                                                    const settings& given) {
  if (given.processes)
    return std::make_unique<puma::process_environment>(rt);
  return std::make_unique<puma::thread_environment>(rt);
}

} // namespace

measurement run_calls(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  auto other = env->run<answering>();
  other.wait_until_running();
  std::vector<double> took_us;
  took_us.reserve(given.items);

  const auto begin = now_ns();
  std::int64_t x = 0;
  for (std::uint64_t i = 0; i != given.items; ++i) {
    const auto asked = now_ns();
    x = other.call<&answering::next>(x);
    took_us.push_back(static_cast<double>(now_ns() - asked) / 1e3);
  }
  const auto end = now_ns();

  check("calls", static_cast<std::uint64_t>(x), given.items);
  std::ranges::sort(took_us);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .p50_us = took_us[took_us.size() / 2],
          .p99_us = took_us[took_us.size() * 99 / 100],
          .note = "a plain thread waits for each answer"};
}

measurement run_async_calls(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  auto other = env->run<answering>();
  other.wait_until_running();

  const auto begin = now_ns();
  auto caller = env->run<asking>(other.as<answering>(),
                                 static_cast<std::int64_t>(given.items));
  const auto x = caller.wait_for_status<std::int64_t>(std::chrono::hours{1});
  const auto end = now_ns();

  check("calls", static_cast<std::uint64_t>(x.value_or(0)), given.items);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .note = "a runnable goes on with each answer"};
}

} // namespace puma_bench
