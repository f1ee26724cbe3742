// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/throttler.hpp"
#include "puma/testing/virtual_runtime.hpp"
#include "tests/support/stages.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

using times = std::vector<std::chrono::nanoseconds>;

/// When a throttler lets values pass.
class throttling : public testing::Test {
 protected:
  puma::testing::virtual_runtime virt;
  int_buffer in = virt.env().make_buffer<int>("in", 64);
  int_buffer out = virt.env().make_buffer<int>("out", 64);
  std::optional<puma::runner> throttler;

  void start(puma::throttle_options options) {
    throttler.emplace(virt.env().run(puma::throttle("slow", in, out, options)));
    virt.settle();
  }

  void give(int count) {
    publish_all(in, 1, count);
    virt.settle();
  }

  [[nodiscard]] std::uint64_t passed() const { return out.stats().accepted; }

  /// Waits for values, and returns when they came.
  times next(int count) {
    times result;
    auto results = out.subscribe();
    for (int i = 0; i != count; ++i) {
      EXPECT_TRUE(results.next_for(24h));
      result.push_back(virt.elapsed());
    }
    return result;
  }
};

TEST_F(throttling, lets_one_value_pass_per_interval) {
  start({.count = 10, .period = 1s});
  give(4);

  EXPECT_EQ(passed(), 1u);
  virt.advance(100ms - 1ns);
  EXPECT_EQ(passed(), 1u);
  virt.advance(1ns);
  EXPECT_EQ(passed(), 2u);
  virt.advance(200ms);
  EXPECT_EQ(passed(), 4u);
}

TEST_F(throttling, lets_a_burst_pass_at_once) {
  start({.count = 10, .period = 1s, .burst = 3});
  give(5);

  EXPECT_EQ(passed(), 3u);
  virt.advance(100ms - 1ns);
  EXPECT_EQ(passed(), 3u);
  virt.advance(1ns);
  EXPECT_EQ(passed(), 4u);
}

TEST_F(throttling, does_not_drift_where_the_rate_is_no_whole_number) {
  start({.count = 3, .period = 1s});
  give(10);

  EXPECT_EQ(next(10),
            (times{0ns, 333'333'334ns, 666'666'667ns, 1s, 1'333'333'334ns,
                   1'666'666'667ns, 2s, 2'333'333'334ns, 2'666'666'667ns, 3s}));
}

TEST_F(throttling, saves_no_more_than_a_burst_while_nothing_comes) {
  start({.count = 10, .period = 1s, .burst = 2});
  virt.advance(1h);
  give(4);

  EXPECT_EQ(passed(), 2u);
  virt.advance(100ms);
  EXPECT_EQ(passed(), 3u);
}

TEST_F(throttling, saves_a_part_of_a_burst) {
  start({.count = 10, .period = 1s, .burst = 4});
  give(4);
  virt.advance(250ms);
  give(4);

  EXPECT_EQ(passed(), 6u);
  virt.advance(50ms);
  EXPECT_EQ(passed(), 7u);
}

TEST_F(throttling, counts_from_a_value_that_came_late) {
  start({.count = 10, .period = 1s});
  give(1);
  virt.advance(150ms);
  give(2);

  EXPECT_EQ(passed(), 2u);
  virt.advance(100ms - 1ns);
  EXPECT_EQ(passed(), 2u);
  virt.advance(1ns);
  EXPECT_EQ(passed(), 3u);
}

TEST_F(throttling, holds_back_who_publishes) {
  auto small = virt.env().make_buffer<int>("small", 2);
  auto slow = virt.env().run(puma::throttle("slow", small, out, {}));
  auto from = small.open_publisher();
  for (int i = 0; i != 3; ++i) {
    ASSERT_EQ(from.try_publish(i), puma::publish_result::accepted);
    virt.settle();
  }

  EXPECT_EQ(from.try_publish(3), puma::publish_result::full);
  virt.advance(1s);
  EXPECT_EQ(from.try_publish(3), puma::publish_result::accepted);
}

TEST_F(throttling, passes_the_end_on_when_a_value_might_pass) {
  start({.period = 1s});
  stream_all(in, 1, 2);
  virt.settle();

  auto results = out.subscribe();
  EXPECT_EQ(results.next(), 1);
  EXPECT_EQ(results.next(), 2);
  EXPECT_EQ(virt.elapsed(), 1s);
  EXPECT_EQ(results.next(), std::nullopt);
  EXPECT_EQ(virt.elapsed(), 2s);
}

TEST_F(throttling, is_told_to_stop_while_it_waits) {
  start({.period = 1h});
  give(2);

  throttler->stop();
  throttler->join();

  EXPECT_EQ(virt.elapsed(), 0ns);
}

TEST_F(throttling, rests_while_nothing_comes) {
  start({.period = 1ms});
  give(1);
  virt.advance(1ms);

  // Nothing is due any more: such a wait would never end.
  EXPECT_THROW(throttler->join(), puma::usage_error);
}

} // namespace
