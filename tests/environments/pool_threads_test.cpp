// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pool.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/environments/thread_environment.hpp"
#include "tests/support/gate.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

/// What depends on jobs that really run at the same time.
class pool_threads : public ::testing::Test {
 protected:
  puma::runtime rt{{.threads = 2}};
  puma::thread_environment env{rt};
};

TEST_F(pool_threads, a_lone_job_starts_beside_one_that_hangs) {
  puma::pool<> pool{"pool", env, {.workers = 2}};
  gate open;
  auto hangs = pool.submit([&] { open.pass(); });

  EXPECT_EQ(pool.submit([] { return 1; }).get(), 1);

  open.open();
  hangs.get();
}

TEST_F(pool_threads, a_long_job_holds_up_none_that_were_taken_with_it) {
  for (int round = 0; round != 20; ++round) {
    puma::pool<> pool{"pool", env, {.workers = 2, .backlog = 4096}};
    gate open;
    std::vector<puma::job<int>> jobs;
    puma::job<void> hangs;
    for (int i = 0; i != 3000; ++i) {
      jobs.push_back(pool.submit([i] { return i; }));
      if (i == 1500)
        hangs = pool.submit([&] { open.pass(); });
    }

    for (int i = 0; i != 3000; ++i)
      ASSERT_EQ(jobs[static_cast<std::size_t>(i)].get_for(30s), i);

    EXPECT_FALSE(hangs.ready());
    open.open();
    hangs.get();
  }
}

TEST_F(pool_threads, all_workers_are_at_work_at_once) {
  puma::pool<> pool{"pool", env, {.workers = 4}};
  std::atomic<int> here = 0;
  std::vector<puma::job<void>> jobs;
  for (int i = 0; i != 4; ++i)
    jobs.push_back(pool.submit([&] {
      ++here;
      while (here != 4)
        std::this_thread::yield();
    }));

  for (auto& x : jobs)
    x.get_for(30s);
}

TEST_F(pool_threads, many_threads_may_submit_at_once) {
  puma::pool<> pool{
    "pool", env, {.workers = 1, .max_workers = 3, .backlog = 4}};
  std::atomic<int> done = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t != 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i != 5000; ++i)
          pool.submit([&] { ++done; });
      });
  }
  pool.join();

  EXPECT_EQ(done, 20'000);
  EXPECT_EQ(pool.stats().completed, 20'000u);
}

TEST_F(pool_threads, closing_is_safe_while_others_submit) {
  for (int round = 0; round != 50; ++round) {
    puma::pool<> pool{"pool", env, {.workers = 2, .backlog = 2}};

    {
      std::vector<std::jthread> threads;
      for (int t = 0; t != 2; ++t)
        threads.emplace_back([&, t] {
          try {
            auto open = true;
            while (open) {
              if (t == 0)
                pool.submit([] {});
              else
                open = pool.try_submit([] {}).status()
                       != puma::submit_result::closed;
            }
          } catch (const puma::pool_closed&) {
            // As it should be.
          }
        });
      std::this_thread::yield();
      pool.close();
    }
    pool.join();
    const auto stats = pool.stats();
    ASSERT_EQ(stats.submitted, stats.completed);
  }
}

TEST_F(pool_threads, pools_that_only_start_and_end_leave_nothing) {
  for (int round = 0; round != 100; ++round)
    puma::pool<> pool{"pool", env, {.workers = 3}};
}

} // namespace
