// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "puma/testing/capture_logs.hpp"
#include "puma/testing/virtual_runtime.hpp"
#include "tests/support/stages.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

using puma::on_failure;
using puma::restart_strategy;
using puma::supervision_policy;
using ::testing::ElementsAre;

/// When and how often, under a clock that the test moves.
class restarts : public ::testing::Test {
 protected:
  /// Starts a stage that fails on negative values, and notes when it starts.
  puma::runner start(const puma::supervisor_environment& where,
                     const std::string& name, const int_buffer& from,
                     const std::vector<int_buffer>& to = {}) {
    return where.run<stage>(
      name, from, to,
      script{.on_start =
               [this](stage& x) {
                 starts.push_back({x.name(), clock.elapsed()});
               },
             .on_value =
               [](stage& x, int& value) {
                 if (value < 0)
                   throw std::runtime_error{"negative"};
                 x.outs.publish(value);
               }});
  }

  std::vector<std::chrono::nanoseconds> times_of(const std::string& name) {
    std::vector<std::chrono::nanoseconds> result;
    for (auto& x : starts)
      if (x.name == name)
        result.push_back(x.when);
    return result;
  }

  struct start_time {
    std::string name;
    std::chrono::nanoseconds when;
  };

  puma::testing::capture_logs log;
  std::vector<start_time> starts;
  puma::testing::virtual_runtime clock;
  int_buffer in = clock.env().make_buffer<int>("in", 100);
  int_buffer out = clock.env().make_buffer<int>("out", 100);
};

TEST_F(restarts, come_at_once_and_then_after_twice_the_time) {
  const auto guard = clock.env().supervisor("guard",
                                            {.then = on_failure::restart,
                                             .max_restarts = 10,
                                             .period = 1h,
                                             .first_backoff = 100ms,
                                             .max_backoff = 300ms,
                                             .jitter = 0});
  const auto x = start(guard, "x", in);
  auto feed = in.open_publisher();
  for (int i = 0; i != 5; ++i)
    feed.publish(-1);

  clock.advance(5s);

  EXPECT_THAT(times_of("x"), ElementsAre(0ms, 0ms, 100ms, 300ms, 600ms, 900ms));
}

TEST_F(restarts, are_spread_by_the_jitter) {
  const auto guard = clock.env().supervisor("guard",
                                            {.then = on_failure::restart,
                                             .max_restarts = 1'000,
                                             .period = 1h,
                                             .first_backoff = 100ms,
                                             .max_backoff = 100ms,
                                             .jitter = 0.5});
  const auto x = start(guard, "x", in);
  auto feed = in.open_publisher();
  for (int i = 0; i != 50; ++i)
    feed.publish(-1);

  clock.advance(10s);

  const auto times = times_of("x");
  ASSERT_EQ(times.size(), 51u);
  bool differs = false;
  for (std::size_t i = 2; i + 1 < times.size(); ++i) {
    const auto wait = times[i + 1] - times[i];
    EXPECT_GE(wait, 50ms);
    EXPECT_LE(wait, 100ms); // the maximum stays one
    differs = differs || wait != times[3] - times[2];
  }
  EXPECT_TRUE(differs);
}

TEST_F(restarts, come_at_once_again_after_a_healthy_time) {
  const auto guard = clock.env().supervisor("guard",
                                            {.then = on_failure::restart,
                                             .max_restarts = 10,
                                             .period = 1h,
                                             .first_backoff = 1s,
                                             .jitter = 0,
                                             .healthy_after = 5s});
  const auto x = start(guard, "x", in);
  auto feed = in.open_publisher();
  feed.publish(-1);
  feed.publish(-1);
  clock.advance(2s);
  ASSERT_THAT(times_of("x"), ElementsAre(0s, 0s, 1s));

  clock.advance(4s); // 5 s after the last start
  feed.publish(-1);
  clock.settle();

  EXPECT_THAT(times_of("x"), ElementsAre(0s, 0s, 1s, 6s));
}

TEST_F(restarts, beyond_the_budget_end_the_supervisor) {
  const auto guard = clock.env().supervisor("guard",
                                            {.then = on_failure::restart,
                                             .max_restarts = 2,
                                             .period = 10s,
                                             .first_backoff = 0s});
  auto x = start(guard, "x", in);
  auto feed = in.open_publisher();
  for (int i = 0; i != 2; ++i)
    feed.publish(-1);
  clock.advance(9s);
  EXPECT_TRUE(x.is_alive());

  feed.publish(-1);
  clock.settle();

  EXPECT_FALSE(x.is_alive());
  EXPECT_THROW(x.check_for_exceptions(), puma::restarts_exhausted);
}

TEST_F(restarts, that_are_long_ago_do_not_count) {
  const auto guard = clock.env().supervisor("guard",
                                            {.then = on_failure::restart,
                                             .max_restarts = 2,
                                             .period = 10s,
                                             .first_backoff = 0s});
  const auto x = start(guard, "x", in);
  auto feed = in.open_publisher();
  for (int i = 0; i != 10; ++i) {
    feed.publish(-1);
    clock.advance(6s);
  }

  EXPECT_TRUE(x.is_alive());
  EXPECT_EQ(times_of("x").size(), 11u);
}

TEST_F(restarts, of_what_follows_from_a_failure_upstream_count_once) {
  const supervision_policy policy{.then = on_failure::restart,
                                  .max_restarts = 1,
                                  .first_backoff = 0s,
                                  .cascade_window = 100ms};
  const auto guard = clock.env().supervisor("guard", policy);
  auto first = start(guard, "first", in, {out});
  auto second = start(guard, "second", out);
  auto feed = in.open_publisher();
  auto garbage = out.open_publisher();
  clock.settle();

  feed.publish(-1);
  clock.settle();
  garbage.publish(-1);
  clock.settle();
  EXPECT_TRUE(first.is_alive());
  EXPECT_TRUE(second.is_alive());
  EXPECT_EQ(times_of("second").size(), 2u);

  garbage.publish(-1); // the second time, it is its own fault
  clock.settle();
  EXPECT_FALSE(second.is_alive());
}

TEST_F(restarts, upstream_are_no_consequence_of_those_downstream) {
  const auto guard = clock.env().supervisor(
    "guard",
    {.then = on_failure::restart, .max_restarts = 1, .first_backoff = 0s});
  auto first = start(guard, "first", in, {out});
  const auto second = start(guard, "second", out);
  auto feed = in.open_publisher();
  auto garbage = out.open_publisher();
  clock.settle();

  garbage.publish(-1);
  clock.settle();
  feed.publish(-1);
  clock.settle();

  EXPECT_FALSE(first.is_alive());
}

TEST_F(restarts, of_the_rest_follow_the_order_of_their_starts) {
  const auto guard = clock.env().supervisor(
    "guard", {.then = on_failure::restart,
              .strategy = restart_strategy::rest_for_one,
              .rest = puma::restart_rest::start_order,
              .first_backoff = 0s});
  auto other = clock.env().make_buffer<int>("other", 1);
  const auto a = start(guard, "a", other);
  const auto b = start(guard, "b", in);
  const auto c = start(guard, "c", out);
  auto feed = in.open_publisher();
  clock.settle();

  feed.publish(-1);
  clock.settle();

  EXPECT_EQ(times_of("a").size(), 1u);
  EXPECT_EQ(times_of("b").size(), 2u);
  EXPECT_EQ(times_of("c").size(), 2u);
  EXPECT_EQ(starts[3].name, "b");
  EXPECT_EQ(starts[4].name, "c");
}

TEST_F(restarts, always_happen_to_what_stops_itself_if_wanted) {
  const auto guard = clock.env().supervisor("guard",
                                            {.then = on_failure::restart,
                                             .when = puma::restart_when::always,
                                             .first_backoff = 1s,
                                             .jitter = 0});
  auto x = guard.run<idler>("x", [this](idler& self) {
    starts.push_back({"x", clock.elapsed()});
    self.stop();
  });

  clock.advance(2s);

  EXPECT_THAT(times_of("x"), ElementsAre(0s, 0s, 1s));
  x.stop();
  EXPECT_TRUE(x.join_for(1s));
}

TEST_F(restarts, never_happen_to_what_stops_itself_otherwise) {
  const auto guard = clock.env().supervisor(
    "guard", {.then = on_failure::restart, .first_backoff = 0s});
  const auto x = guard.run<idler>("x", [this](idler& self) {
    starts.push_back({"x", clock.elapsed()});
    self.stop();
  });

  clock.advance(20s);

  EXPECT_EQ(times_of("x").size(), 1u);
  EXPECT_FALSE(x.is_alive());
}

TEST_F(restarts, of_a_whole_supervisor_restart_all_below) {
  const auto top = clock.env().supervisor(
    "top", {.then = on_failure::restart, .first_backoff = 0s});
  const auto below = top.supervisor("below");
  const auto x = start(below, "x", in);
  const auto y = start(below, "y", out);
  const auto beside = start(top, "beside",
                            clock.env().make_buffer<int>("beside", 1));
  auto feed = in.open_publisher();
  auto hold = out.open_publisher();
  clock.settle();

  feed.publish(-1);
  clock.settle();

  EXPECT_EQ(times_of("x").size(), 2u);
  EXPECT_EQ(times_of("y").size(), 2u);
  EXPECT_EQ(times_of("beside").size(), 1u);
}

} // namespace
