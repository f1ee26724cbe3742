// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::publish_result;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

class drain : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);
  numbers seen;
};

INSTANTIATE_TEST_SUITE_P(, drain, any_hosting, with_hosting);

TEST_P(drain, is_done_at_once_when_nothing_runs) {
  EXPECT_TRUE(rt().drain(30s).done());
}

TEST_P(drain, completes_sources_and_lets_their_values_flow_out) {
  auto source = run<counting_source>("source", std::vector{in});
  auto middle = run<stage>("middle", in, std::vector{out});
  auto sink = run(puma::for_each("sink", out, [&](int n) { seen.add(n); }));
  source.wait_until_running();

  const auto report = rt().drain(30s);

  EXPECT_TRUE(report.done()) << report.to_string();
  const auto made = static_cast<int>(in.stats().accepted);
  EXPECT_EQ(seen.entries(), numbers_to(made));
  EXPECT_EQ(in.stats().waiting + out.stats().waiting, 0u);
}

TEST_P(drain, closes_publishers_of_plain_threads) {
  auto source = in.open_publisher();
  auto sink = run(puma::for_each("sink", in, [&](int n) { seen.add(n); }));
  source.publish(1);

  const auto report = rt().drain(30s);

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_EQ(source.publish(2), publish_result::closed);
  EXPECT_THAT(seen.entries(), ElementsAre(1));
}

TEST_P(drain, closes_publishers_that_are_opened_later) {
  auto early = in.open_publisher();
  auto sink = run(puma::for_each("sink", in, [](int) {}));
  rt().drain(30s);

  EXPECT_EQ(in.open_publisher().publish(1), publish_result::closed);
}

TEST_P(drain, lets_values_of_plain_threads_flow_out) {
  auto source = in.open_publisher();
  auto middle = run<stage>("middle", in, std::vector{out});
  auto sink = run(puma::for_each("sink", out, [&](int n) { seen.add(n); }));
  for (int i = 1; i <= 8; ++i)
    source.publish(i);

  rt().drain(30s);

  EXPECT_EQ(seen.entries(), numbers_to(8));
}

TEST_P(drain, stops_what_nothing_drives) {
  auto idle = run<idler>("idle");
  idle.wait_until_running();

  const auto report = rt().drain(30s);

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_FALSE(idle.is_alive());
}

TEST_P(drain, lets_join_return) {
  auto source = run<counting_source>("source", std::vector{in});
  auto sink = run(puma::for_each("sink", in, [](int) {}));
  rt().drain(30s);

  rt().join();

  EXPECT_FALSE(source.is_alive() || sink.is_alive());
}

TEST_P(drain, balances_each_buffer) {
  auto source = run<counting_source>("source", std::vector{in});
  auto middle = run<stage>("middle", in, std::vector{out});
  auto sink = run(puma::for_each("sink", out, [](int) {}));
  source.wait_until_running();

  const auto report = rt().drain(30s);

  ASSERT_GE(report.buffers.size(), 2u);
  for (auto& x : report.buffers) {
    SCOPED_TRACE(x.name);
    EXPECT_EQ(x.stats.accepted, x.stats.taken + x.stats.waiting
                                  + x.stats.dropped_oldest + x.stats.left_over);
  }
}

TEST_P(drain, ends_what_nobody_consumes_after_its_time) {
  auto source = run<counting_source>("source", std::vector{in});
  auto middle = run<stage>("middle", in, std::vector{out});
  source.wait_until_running();

  rt().drain(20ms);

  EXPECT_TRUE(source.join_for(30s));
  EXPECT_TRUE(middle.join_for(30s));
}

TEST_P(drain, ends_what_is_started_later) {
  rt().drain(1s);

  auto late = env().make_buffer<int>("late", 4);
  auto source = run<counting_source>("source", std::vector{late});
  auto idle = run<idler>("idle");
  auto end = late.open_publisher();

  EXPECT_TRUE(rt().is_draining());
  EXPECT_TRUE(source.join_for(30s));
  EXPECT_TRUE(idle.join_for(30s));
  EXPECT_EQ(end.publish(1), puma::publish_result::closed);
}

TEST_P(drain, keeps_errors_for_join) {
  auto failing = run(
    puma::for_each("failing", in, [](int n) { throw sensor_broken{n}; }));
  publish_all(in, 1, 1);

  EXPECT_TRUE(rt().drain(30s).done());

  EXPECT_THROW(rt().join(), sensor_broken);
}

} // namespace
