// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/job_inbox.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using puma::internal::job_inbox;

namespace {

/// Says who sent it and as which one.
class numbered_job final : public puma::detail::scope_job {
 public:
  numbered_job(int sender, int which, std::atomic<int>& live)
    : from(sender),
      number(which),
      live_(live) {
    ++live_;
  }

  ~numbered_job() override { --live_; }

  const int from;
  const int number;

  const char* activity() const noexcept override { return "job"; }

  void run(puma::internal::task&) override {}

  bool drop(const std::string&) noexcept override { return true; }

 private:
  std::atomic<int>& live_;
};

class an_inbox : public ::testing::Test {
 protected:
  auto make(int from, int number) {
    return std::make_shared<numbered_job>(from, number, live);
  }

  static int number_of(const puma::detail::job_ptr& x) {
    return dynamic_cast<numbered_job&>(*x).number;
  }

  std::atomic<int> live = 0;
};

TEST_F(an_inbox, gives_jobs_back_in_order) {
  job_inbox inbox;

  for (int i = 0; i != 3; ++i)
    EXPECT_EQ(inbox.push(make(0, i)), job_inbox::result::pushed);
  EXPECT_EQ(number_of(inbox.pop()), 0);
  EXPECT_EQ(inbox.push(make(0, 3)), job_inbox::result::pushed);
  for (int i = 1; i != 4; ++i)
    EXPECT_EQ(number_of(inbox.pop()), i);

  EXPECT_EQ(inbox.pop(), nullptr);
  EXPECT_EQ(inbox.size(), 0u);
  EXPECT_EQ(live, 0);
}

TEST_F(an_inbox, refuses_more_than_its_limit) {
  job_inbox inbox;

  for (std::uint32_t i = 0; i != job_inbox::limit; ++i)
    ASSERT_EQ(inbox.push(make(0, 0)), job_inbox::result::pushed);
  EXPECT_EQ(inbox.push(make(0, 0)), job_inbox::result::full);
  inbox.pop();
  EXPECT_EQ(inbox.push(make(0, 0)), job_inbox::result::pushed);
}

TEST_F(an_inbox, keeps_what_it_has_when_it_closes) {
  job_inbox inbox;
  inbox.push(make(0, 1));
  inbox.push(make(0, 2));

  inbox.close();
  inbox.close();

  EXPECT_EQ(inbox.push(make(0, 3)), job_inbox::result::closed);
  EXPECT_EQ(number_of(inbox.pop()), 1);
  EXPECT_EQ(number_of(inbox.pop()), 2);
  EXPECT_EQ(inbox.pop(), nullptr);
}

TEST_F(an_inbox, lets_go_of_what_nobody_took) {
  {
    job_inbox inbox;
    for (int i = 0; i != 10; ++i)
      inbox.push(make(0, i));
    inbox.pop();
  }

  EXPECT_EQ(live, 0);
}

TEST_F(an_inbox, loses_nothing_of_several_threads) {
  constexpr int senders = 3;
  constexpr int jobs = 20'000;
  job_inbox inbox;
  std::vector<std::thread> threads;
  for (int from = 0; from != senders; ++from)
    threads.emplace_back([&, from] {
      for (int i = 0; i != jobs; ++i)
        while (inbox.push(make(from, i)) != job_inbox::result::pushed)
          std::this_thread::yield();
    });

  std::vector<int> next(senders);
  for (int got = 0; got != senders * jobs;) {
    const auto x = inbox.pop();
    if (!x)
      continue;
    const auto& job = dynamic_cast<numbered_job&>(*x);
    ASSERT_EQ(job.number, next[static_cast<std::size_t>(job.from)]++);
    ++got;
  }
  for (auto& x : threads)
    x.join();

  EXPECT_EQ(live, 0);
}

TEST_F(an_inbox, tells_each_sender_whether_it_came_before_the_end) {
  for (int round = 0; round != 200; ++round) {
    job_inbox inbox;
    std::atomic<int> taken = 0;
    std::thread sender{[&] {
      while (inbox.push(make(0, 0)) == job_inbox::result::pushed)
        ++taken;
    }};
    int got = 0;
    while (got < round)
      got += inbox.pop() ? 1 : 0;

    inbox.close();
    while (inbox.pop())
      ++got;
    sender.join();

    EXPECT_EQ(got, taken);
    EXPECT_EQ(live, 0);
  }
}

} // namespace
