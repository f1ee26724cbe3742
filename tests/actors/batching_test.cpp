// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/batcher.hpp"
#include "puma/testing/virtual_runtime.hpp"
#include "tests/support/stages.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

/// What a batcher does, and when.
class batching : public testing::Test {
 protected:
  puma::testing::virtual_runtime virt;
  int_buffer in = virt.env().make_buffer<int>("in", 16);
  puma::buffer<std::vector<int>> out = virt.env().make_buffer<std::vector<int>>(
    "out", 16);
  puma::runner batcher = virt.env().run(
    puma::batch("batch", in, out, {.count = 3, .time = 10ms}));
  puma::subscription<std::vector<int>> results = out.subscribe();

  void give(int first, int last) {
    publish_all(in, first, last);
    virt.settle();
  }

  /// Returns the batch that is there; an empty one if there is none.
  std::vector<int> batch() {
    auto x = results.try_next();
    return x ? *x : std::vector<int>{};
  }
};

TEST_F(batching, counts_the_time_from_the_first_value) {
  virt.advance(7ms);
  give(1, 1);
  virt.advance(8ms);
  give(2, 2);

  virt.advance(2ms - 1ns);
  EXPECT_EQ(batch(), std::vector<int>{});
  virt.advance(1ns);
  EXPECT_EQ(batch(), (std::vector{1, 2}));
}

TEST_F(batching, begins_anew_after_a_full_batch) {
  give(1, 1);
  virt.advance(9ms);
  give(2, 3);
  EXPECT_EQ(batch(), (std::vector{1, 2, 3}));

  give(4, 4);
  virt.advance(10ms - 1ns);
  EXPECT_EQ(batch(), std::vector<int>{});
  virt.advance(1ns);
  EXPECT_EQ(batch(), (std::vector{4}));
}

TEST_F(batching, begins_anew_within_a_slice) {
  give(1, 4);
  EXPECT_EQ(batch(), (std::vector{1, 2, 3}));

  virt.advance(10ms - 1ns);
  EXPECT_EQ(batch(), std::vector<int>{});
  virt.advance(1ns);
  EXPECT_EQ(batch(), (std::vector{4}));
}

TEST_F(batching, rests_while_nothing_comes) {
  give(1, 1);
  virt.advance(10ms);
  EXPECT_EQ(batch(), (std::vector{1}));

  virt.advance(1h);
  EXPECT_EQ(batch(), std::vector<int>{});
  give(2, 2);
  virt.advance(10ms - 1ns);
  EXPECT_EQ(batch(), std::vector<int>{});
  virt.advance(1ns);
  EXPECT_EQ(batch(), (std::vector{2}));
}

TEST_F(batching, does_not_wait_for_the_time_at_the_end) {
  stream_all(in, 1, 2);
  virt.settle();

  EXPECT_EQ(virt.elapsed(), 0ns);
  EXPECT_EQ(batch(), (std::vector{1, 2}));
  EXPECT_EQ(results.next(), std::nullopt);
}

} // namespace
