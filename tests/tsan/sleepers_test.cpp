// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/sleepers.hpp"

#include "puma/base/internal/job_ring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using puma::internal::job_ring;
using puma::internal::no_deadline;
using puma::internal::sleepers;

namespace {

/// A job whose data is not atomic: only the hand-over makes it safe.
struct job {
  int runs = 0;
  bool last = false;
};

/// Workers that take jobs from one ring, and sleep when there are none.
class crew {
 public:
  explicit crew(std::size_t size) {
    for (std::size_t i = 0; i != size; ++i)
      threads_.emplace_back([this, i] { work(i); });
  }

  crew(const crew&) = delete;
  crew& operator=(const crew&) = delete;

  ~crew() {
    std::vector<job> ends(threads_.size());
    for (auto& x : ends) {
      x.last = true;
      bring(x);
    }
    for (auto& x : threads_)
      x.join();
  }

  void bring(job& x) {
    ring_.push_back(&x);
    idle_.notify_one();
  }

  [[nodiscard]] std::size_t done() const { return done_.load(); }

  [[nodiscard]] std::size_t timed_out() const { return timed_out_.load(); }

 private:
  void work(std::size_t id) {
    for (;;) {
      auto* x = ring_.pop_front();
      while (!x) {
        idle_.announce(id);
        x = ring_.pop_front();
        if (!x) {
          // Every other worker dozes, as some of the scheduler's do.
          const auto until = id % 2 == 0
                               ? no_deadline
                               : std::chrono::steady_clock::now() + 100us;
          if (!idle_.sleep(id, until))
            ++timed_out_;
          x = ring_.pop_front();
        } else if (idle_.withdraw(id)) {
          idle_.notify_one();
        }
      }
      if (x->last)
        return;
      ++x->runs;
      ++done_;
    }
  }

  job_ring<job> ring_;
  sleepers idle_;
  std::atomic<std::size_t> done_{0};
  std::atomic<std::size_t> timed_out_{0};
  std::vector<std::thread> threads_;
};

void wait_until_done(const crew& workers, std::size_t count) {
  while (workers.done() != count)
    std::this_thread::yield();
}

} // namespace

TEST(sleepers, wake_for_each_job_that_comes_alone) {
  std::vector<job> jobs(5'000);
  {
    crew workers{3};
    for (std::size_t i = 0; i != jobs.size(); ++i) {
      workers.bring(jobs[i]);
      wait_until_done(workers, i + 1);
    }
  }

  EXPECT_TRUE(std::all_of(jobs.begin(), jobs.end(),
                          [](const job& x) { return x.runs == 1; }));
}

TEST(sleepers, lose_no_job_that_several_threads_bring) {
  constexpr std::size_t each = 20'000;
  std::vector<job> jobs(3 * each);
  {
    crew workers{3};
    std::vector<std::thread> bringers;
    for (std::size_t k = 0; k != 3; ++k)
      bringers.emplace_back([&jobs, &workers, k] {
        for (std::size_t i = 0; i != each; ++i)
          workers.bring(jobs[k * each + i]);
      });
    for (auto& x : bringers)
      x.join();
    wait_until_done(workers, jobs.size());
  }

  EXPECT_TRUE(std::all_of(jobs.begin(), jobs.end(),
                          [](const job& x) { return x.runs == 1; }));
}

TEST(sleepers, wake_the_one_with_the_lowest_number) {
  sleepers idle;
  idle.announce(2);
  idle.announce(1);

  idle.notify_one();

  EXPECT_TRUE(idle.withdraw(1));
  EXPECT_FALSE(idle.withdraw(2));
}

TEST(sleepers, sleep_no_longer_than_told) {
  sleepers idle;
  idle.announce(0);

  EXPECT_FALSE(idle.sleep(0, std::chrono::steady_clock::now() + 1ms));
}

TEST(job_ring, is_first_in_first_out_except_for_urgent_jobs) {
  job_ring<int> ring;
  std::vector<int> jobs(200);
  for (auto& x : jobs)
    ring.push_back(&x);
  int urgent = 0;

  ring.push_front(&urgent);

  EXPECT_EQ(ring.size(), 201u);
  EXPECT_EQ(ring.pop_front(), &urgent);
  EXPECT_EQ(ring.pop_back(), &jobs.back());
  for (std::size_t i = 0; i + 1 != jobs.size(); ++i)
    EXPECT_EQ(ring.pop_front(), &jobs[i]);
  EXPECT_EQ(ring.pop_front(), nullptr);
  EXPECT_EQ(ring.pop_back(), nullptr);
}
