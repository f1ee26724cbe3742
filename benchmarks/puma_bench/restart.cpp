// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <utility>
#include <vector>

#include <unistd.h>

namespace puma_bench {

namespace {

struct request {
  std::int64_t number = 0;
  bool fails = false;
};

/// Says who answers. Requests may be answered twice, by a successor again.
struct answer {
  std::int64_t number = 0;
  std::int32_t process = 0;
  std::int64_t when = 0;
};

/// Answers each request but those to fail.
class fragile final : public puma::single_buffer_servicing_runnable<request> {
 public:
  fragile(const puma::buffer<request>& in, const puma::buffer<answer>& out)
    : single_buffer_servicing_runnable("fragile", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(request& x) override {
    if (x.fails)
      throw std::runtime_error{"was asked to"};
    out_.publish({x.number, static_cast<std::int32_t>(::getpid()), now_ns()});
  }

 private:
  puma::publisher<answer> out_;
};

constexpr puma::supervision_policy at_once{
  .then = puma::on_failure::restart,
  .max_restarts = 1'000'000,
  .first_backoff = std::chrono::nanoseconds{0},
  .max_backoff = std::chrono::nanoseconds{0}};

/// Measures the time from `fail`, called with the last answer, to the first
/// answer of the successor.
template <class Fail>
measurement run_restarts(const puma::environment& env, std::uint64_t restarts,
                         bool in_new_process, Fail fail, std::string note) {
  puma::set_log_level(puma::log_level::off);
  const auto in = env.make_buffer<request>("requests", 16);
  const auto out = env.make_buffer<answer>("answers", 16);
  const auto guard = env.supervisor("guard", at_once);
  const auto runner = guard.run<fragile>(in, out);
  auto requests = in.open_publisher();
  auto answers = out.subscribe();
  std::int64_t number = 0;
  const auto ask = [&] {
    requests.publish({++number, false});
    for (;;) {
      auto result = answers.next();
      if (!result)
        throw wrong_result{"the answers have ended"};
      if (result->number == number)
        return *result;
    }
  };
  auto last = ask();
  std::vector<double> all_us;
  const auto begin = now_ns();
  for (std::uint64_t i = 0; i != restarts; ++i) {
    const auto from = now_ns();
    fail(requests, last);
    const auto before = last.process;
    do // The old process may have been quicker than its end.
      last = ask();
    while (in_new_process && last.process == before);
    all_us.push_back(static_cast<double>(last.when - from) / 1e3);
  }
  const auto end = now_ns();
  requests.complete();
  std::ranges::sort(all_us);
  return {.items = restarts,
          .seconds = seconds_between(begin, end),
          .p50_us = all_us[all_us.size() / 2],
          .p99_us = all_us[all_us.size() * 99 / 100],
          .note = std::move(note)};
}

} // namespace

measurement run_restart(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  return run_restarts(
    puma::thread_environment{rt}, given.items, false,
    [](auto& requests, const answer&) {
      requests.publish({0, true});
    },
    "from the value that fails to the successor's first one");
}

measurement run_across_restart(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  return run_restarts(
    puma::process_environment{rt}, std::min<std::uint64_t>(given.items, 200),
    true, [](auto&, const answer& last) { ::kill(last.process, SIGKILL); },
    "from SIGKILL to the first value handled in a new process");
}

} // namespace puma_bench
