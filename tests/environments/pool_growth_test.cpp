// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pool.hpp"
#include "puma/testing/virtual_runtime.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// How a pool follows its load, under a clock that the test moves.
class pool_growth : public ::testing::Test {
 protected:
  puma::testing::virtual_runtime world;
  puma::pool<> pool{
    "pool",
    world.env(),
    {.workers = 1, .max_workers = 3, .idle_time = 1s, .backlog = 8}};

  /// Lets `count` jobs run, which take 100 ms each.
  std::vector<puma::job<void>> load(int count) {
    std::vector<puma::job<void>> result;
    for (int i = 0; i != count; ++i)
      result.push_back(pool.submit([] { puma::sleep_for(100ms); }));
    return result;
  }
};

TEST_F(pool_growth, starts_no_more_workers_than_jobs_need) {
  world.settle();
  EXPECT_EQ(pool.workers(), 1u);

  auto one = load(1);
  world.settle();
  EXPECT_EQ(pool.workers(), 1u);

  auto two = load(1);
  world.settle();
  EXPECT_EQ(pool.workers(), 2u);
  EXPECT_EQ(pool.stats().busy, 2u);
}

TEST_F(pool_growth, starts_no_more_workers_than_there_may_be) {
  auto jobs = load(8);
  world.settle();

  EXPECT_EQ(pool.workers(), 3u);
  EXPECT_EQ(pool.stats().waiting, 5u);
  for (auto& x : jobs)
    x.get();
  EXPECT_EQ(world.elapsed(), 300ms);
}

TEST_F(pool_growth, ends_workers_that_have_nothing_to_do) {
  for (auto& x : load(8))
    x.get();
  world.settle();
  EXPECT_EQ(pool.workers(), 3u);

  world.advance(2s);

  EXPECT_EQ(pool.workers(), 1u);
  EXPECT_EQ(pool.submit([] { return 7; }).get(), 7);
}

TEST_F(pool_growth, keeps_workers_that_are_needed_now_and_then) {
  for (int i = 0; i != 6; ++i) {
    auto jobs = load(3);
    world.advance(500ms);
    EXPECT_EQ(pool.workers(), 3u);
  }
}

TEST_F(pool_growth, grows_again_after_it_has_shrunk) {
  for (int i = 0; i != 3; ++i) {
    auto jobs = load(3);
    world.settle();
    EXPECT_EQ(pool.workers(), 3u);
    world.advance(3s);
    EXPECT_EQ(pool.workers(), 1u);
  }
  pool.join();
  EXPECT_EQ(pool.stats().completed, 9u);
  EXPECT_EQ(pool.workers(), 0u);
}

TEST_F(pool_growth, does_nothing_while_it_is_idle) {
  for (auto& x : load(3))
    x.get();
  world.advance(10s);
  const auto before = pool.stats();

  world.advance(1h);

  EXPECT_EQ(pool.workers(), 1u);
  EXPECT_EQ(pool.stats().submitted, before.submitted);
}

} // namespace
