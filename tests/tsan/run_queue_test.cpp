// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/run_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

using puma::detail::pool_job;
using puma::internal::run_queue;

namespace {

/// Stands for a job: the queue only passes its address on.
struct payload {
  int number = 0; // written before it enters the queue
  int taken = 0;  // by whoever took it
};

pool_job* as_job(payload& x) {
  return reinterpret_cast<pool_job*>(&x);
}

payload& as_payload(pool_job* x) {
  return *reinterpret_cast<payload*>(x);
}

TEST(a_run_queue, gives_its_jobs_in_order) {
  run_queue queue;
  std::array<payload, 3> all{{{1}, {2}, {3}}};
  const std::array jobs{as_job(all[0]), as_job(all[1]), as_job(all[2])};
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.pop(), nullptr);

  for (int round = 0; round != 3; ++round) {
    queue.fill(jobs.data(), jobs.size(), 100);
    EXPECT_FALSE(queue.empty());
    for (auto& x : all)
      EXPECT_EQ(&as_payload(queue.pop()), &x);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.pop(), nullptr);
  }
}

TEST(a_run_queue, tells_how_long_jobs_have_waited) {
  run_queue queue;
  payload x;
  const std::array jobs{as_job(x)};
  EXPECT_FALSE(queue.is_older_than(1000));

  queue.fill(jobs.data(), 1, 100);

  EXPECT_FALSE(queue.is_older_than(100));
  EXPECT_TRUE(queue.is_older_than(101));
  queue.pop();
  EXPECT_FALSE(queue.is_older_than(1000));
}

TEST(a_run_queue, gives_each_job_to_one_of_many_threads) {
  constexpr std::size_t count = 200'000;
  run_queue queue;
  std::vector<payload> all(count);
  std::atomic<bool> over = false;
  std::atomic<std::size_t> taken = 0;
  const auto take = [&] {
    auto* x = queue.pop();
    if (!x)
      return false;
    auto& mine = as_payload(x);
    mine.taken += mine.number;
    ++taken;
    return true;
  };
  {
    std::vector<std::jthread> others;
    for (int i = 0; i != 3; ++i)
      others.emplace_back([&] {
        while (!over || !queue.empty())
          if (!take())
            std::this_thread::yield();
      });
    std::array<pool_job*, run_queue::capacity> jobs{};
    for (std::size_t done = 0; done != count;) {
      const auto n = std::min(count - done, 1 + done % jobs.size());
      for (std::size_t i = 0; i != n; ++i) {
        all[done + i].number = 1;
        jobs[i] = as_job(all[done + i]);
      }
      queue.fill(jobs.data(), n, 0);
      done += n;
      while (take()) {
        // Competes with the others.
      }
    }
    over = true;
  }

  EXPECT_EQ(taken, count);
  EXPECT_TRUE(std::all_of(all.begin(), all.end(),
                          [](const payload& x) { return x.taken == 1; }));
}

} // namespace
