// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/items.hpp"
#include "benchmarks/puma_bench/stages.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace puma_bench {

namespace {

using stamp = std::int64_t;

constexpr std::int64_t period_ns = 1'000'000; // 1000 round trips in a second
constexpr std::int64_t head_start_ns = 10'000'000;

std::unique_ptr<puma::environment> make_other_side(puma::runtime& rt,
                                                   const settings& given) {
  auto there = given;
  there.processes = true;
  return make_environment(rt, there);
}

template <class Items>
measurement run_across(const settings& given, Items items) {
  using value_type = typename Items::value_type;
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment here{rt};
  const auto there = make_other_side(rt, given);
  const auto made = here.make_buffer<value_type>("made", given.capacity);
  report_box reports{here, 2};
  auto eat = there->run<sink<Items>>(made, items, reports.buffer());
  eat.wait_until_running();
  const typename source<Items>::range all{.limit = given.items};
  auto make = here.run<source<Items>>(made, items, all, reports.buffer());
  rt.join();

  const auto result = reports.take();
  check("values", result.sinks.front().count, given.items);
  check("checksum", result.sinks.front().checksum,
        items.expected(given.items, 0));
  return {.items = given.items, .seconds = result.seconds()};
}

/// Sends each time stamp back.
class echo final : public puma::single_buffer_servicing_runnable<stamp> {
 public:
  echo(const puma::buffer<stamp>& in, const puma::buffer<stamp>& out)
    : single_buffer_servicing_runnable("echo", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(stamp& x) override { out_.publish(x); }

 private:
  puma::publisher<stamp> out_;
};

} // namespace

measurement run_across_integers(const settings& given) {
  return run_across(given, integers{});
}

measurement run_across_blocks(const settings& given) {
  return run_across(given, crossing_blocks{given.payload});
}

measurement run_across_latency(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment here{rt};
  const auto there = make_other_side(rt, given);
  const auto ping = here.make_buffer<stamp>("ping", given.capacity);
  const auto pong = here.make_buffer<stamp>("pong", given.capacity);
  auto answers = there->run<echo>(ping, pong);
  answers.wait_until_running();
  auto out = ping.open_publisher();
  auto in = pong.subscribe();
  std::vector<double> halves_us;
  halves_us.reserve(given.items);

  const auto begin = now_ns() + head_start_ns;
  for (std::uint64_t i = 0; i != given.items; ++i) {
    sleep_until_ns(begin + static_cast<std::int64_t>(i) * period_ns);
    const auto sent = now_ns();
    out.publish(sent);
    const auto got = in.next();
    const auto passed = now_ns() - sent;
    if (got != sent)
      throw wrong_result{"another time stamp came back"};
    halves_us.push_back(static_cast<double>(passed) / 2e3);
  }
  const auto end = now_ns();
  out.complete();
  rt.join();

  std::ranges::sort(halves_us);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .p50_us = halves_us[halves_us.size() / 2],
          .p99_us = halves_us[halves_us.size() * 99 / 100],
          .note = "plain thread, answered by a pooled runnable"};
}

} // namespace puma_bench
