// SPDX-License-Identifier: Apache-2.0

#include "tests/support/threads.hpp"

#include "puma/base/failure.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::buffer;
using puma::publish_result;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::Optional;
using ::testing::UnorderedElementsAre;

namespace {

/// A limit that only a call that hangs would reach.
constexpr auto long_time = 30s;

// -- throughput ---------------------------------------------------------------

class several_publishers : public ::testing::TestWithParam<std::size_t> {};

TEST_P(several_publishers, lose_nothing_and_each_keeps_its_order) {
  constexpr int publishers = 4;
  const int each = GetParam() <= 2 ? 500 : 20'000;
  buffer<int> b{"items", GetParam()};
  auto in = b.subscribe();
  std::list<observed_thread> threads;
  for (int p = 0; p != publishers; ++p)
    threads.emplace_back([out = b.open_publisher(), p, each]() mutable {
      for (int i = 0; i != each; ++i)
        out.publish(p * each + i);
      out.complete();
    });

  std::vector<int> next(publishers, 0);
  int out_of_order = 0;
  for (const auto x : in)
    out_of_order += next[static_cast<std::size_t>(x / each)]++ != x % each;

  EXPECT_EQ(out_of_order, 0);
  EXPECT_THAT(next, ElementsAre(each, each, each, each));
  expect_balanced(b.stats());
}

INSTANTIATE_TEST_SUITE_P(capacity, several_publishers,
                         ::testing::Values(1, 2, 16, 1024),
                         ::testing::PrintToStringParamName());

TEST(changing_subscriptions, lose_nothing_while_values_come) {
  constexpr int count = 20'000;
  buffer<int> b{"items", 64};
  const observed_thread thread{[out = b.open_publisher()]() mutable {
    for (int i = 0; i != count; ++i)
      out.publish(i);
    out.complete();
  }};

  int expected = 0;
  int out_of_order = 0;
  for (int turn = 0; expected != count; ++turn) {
    auto in = b.subscribe();
    for (int i = 0; i != turn % 90; ++i)
      if (const auto x = in.next())
        out_of_order += *x != expected++;
  }

  EXPECT_EQ(out_of_order, 0);
  EXPECT_FALSE(b.subscribe().next());
  expect_balanced(b.stats());
}

// -- waiting for room ---------------------------------------------------------

TEST(a_full_buffer, makes_publish_wait_until_a_value_is_taken) {
  buffer<int> b{"items", 1};
  auto in = b.subscribe();
  std::atomic<bool> taken{false};
  bool waited = false;
  observed_thread thread{[&, out = b.open_publisher()]() mutable {
    publish_numbers(out, 1, 1);
    out.publish(2);
    waited = taken;
  }};
  const bool asleep = thread.wait_until_asleep();

  taken = true;
  const auto first = in.next();
  const auto second = in.next();

  thread.join();
  EXPECT_TRUE(asleep);
  EXPECT_TRUE(waited);
  EXPECT_THAT(first, Optional(1));
  EXPECT_THAT(second, Optional(2));
}

TEST(a_full_buffer, lets_publish_for_through_once_a_value_is_taken) {
  buffer<int> b{"items", 1};
  auto in = b.subscribe();
  auto status = publish_result::full;
  const auto start = steady_clock::now();
  observed_thread thread{[&, out = b.open_publisher()]() mutable {
    publish_numbers(out, 1, 1);
    status = out.publish_for(2, long_time);
  }};
  thread.wait_until_asleep();

  const auto first = in.next();

  thread.join();
  EXPECT_EQ(status, publish_result::accepted);
  EXPECT_THAT(first, Optional(1));
  EXPECT_LT(steady_clock::now() - start, long_time);
}

TEST(a_full_buffer, lets_all_waiting_publishers_through_in_the_end) {
  buffer<int> b{"items", 1};
  auto in = b.subscribe();
  auto first = b.open_publisher();
  publish_numbers(first, 0, 0);
  std::list<observed_thread> threads;
  for (int i = 1; i <= 4; ++i)
    threads.emplace_back(
      [out = b.open_publisher(), i]() mutable { out.publish(i); });
  for (const auto& thread : threads)
    thread.wait_until_asleep();

  std::vector<int> seen;
  for (int i = 0; i != 5; ++i)
    seen.push_back(in.next().value_or(-1));

  EXPECT_THAT(seen, UnorderedElementsAre(0, 1, 2, 3, 4));
}

TEST(a_full_buffer, serves_publishers_in_the_order_in_which_they_wait) {
  buffer<int> b{"items", 1};
  auto in = b.subscribe();
  auto first = b.open_publisher();
  publish_numbers(first, 0, 0);
  // One that goes may wake another one, which then competes with the first.
  std::list<puma::publisher<int>> outs;
  std::list<observed_thread> threads;
  for (int i = 1; i <= 4; ++i) {
    auto& out = outs.emplace_back(b.open_publisher());
    threads.emplace_back([&out, i] { out.publish(i); });
    threads.back().wait_until_asleep();
  }

  std::vector<int> seen;
  for (int i = 0; i != 5; ++i)
    seen.push_back(in.next().value_or(-1));

  EXPECT_THAT(seen, ElementsAre(0, 1, 2, 3, 4));
}

TEST(a_full_buffer, sends_a_publisher_that_had_its_turn_to_the_end) {
  buffer<int> b{"items", 1};
  auto in = b.subscribe();
  observed_thread greedy{
    [out = b.open_publisher()]() mutable { publish_numbers(out, 1, 3); }};
  greedy.wait_until_asleep();
  observed_thread modest{
    [out = b.open_publisher()]() mutable { publish_numbers(out, 11, 11); }};
  modest.wait_until_asleep();
  std::vector<int> seen{in.next().value_or(-1)};
  while (b.stats().accepted != 2)
    std::this_thread::yield();
  greedy.wait_until_asleep();

  for (int i = 0; i != 3; ++i)
    seen.push_back(in.next().value_or(-1));

  EXPECT_THAT(seen, ElementsAre(1, 2, 11, 3));
}

TEST(a_full_buffer, hands_the_value_back_when_the_stream_fails_meanwhile) {
  buffer<std::unique_ptr<int>> b{"items", 1};
  auto failing = b.open_publisher();
  publish_numbers(failing, 1, 1);
  auto status = publish_result::accepted;
  auto value = std::make_unique<int>(2);
  observed_thread thread{[&, out = b.open_publisher()]() mutable {
    status = out.publish(std::move(value));
  }};
  thread.wait_until_asleep();

  failing.fail(sensor_broken{1});

  thread.join();
  EXPECT_EQ(status, publish_result::closed);
  EXPECT_EQ(number_of(value), 2);
}

TEST(a_full_buffer, lets_a_waiting_publisher_in_when_latest_makes_room) {
  buffer<int> b{"items", 3, {.overflow = puma::overflow::latest}};
  const auto start = steady_clock::now();
  auto latest = b.open_publisher();
  auto patient = b.open_publisher({.when_full = puma::when_full::block});
  publish_numbers(patient, 1, 3);
  auto status = publish_result::full;
  observed_thread thread{[&] { status = patient.publish_for(5, long_time); }};
  thread.wait_until_asleep();

  latest.publish(4);

  thread.join();
  EXPECT_LT(steady_clock::now() - start, long_time);
  EXPECT_EQ(status, publish_result::accepted);
  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(4, 5));
}

// -- moving between threads ---------------------------------------------------

TEST(a_publisher_and_a_subscription, may_move_from_thread_to_thread) {
  buffer<int> b{"items", 4};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  std::vector<int> seen;

  for (int turn = 0; turn != 20; ++turn) {
    observed_thread sender{[&out, turn, mine = std::move(out)]() mutable {
      publish_numbers(mine, turn * 10, turn * 10 + 9);
      out = std::move(mine);
    }};
    observed_thread receiver{[&in, &seen, mine = std::move(in)]() mutable {
      for (int i = 0; i != 10; ++i)
        seen.push_back(mine.next().value_or(-1));
      in = std::move(mine);
    }};
  }

  std::vector<int> expected;
  for (int i = 0; i != 200; ++i)
    expected.push_back(i);
  EXPECT_EQ(seen, expected);
}

} // namespace
