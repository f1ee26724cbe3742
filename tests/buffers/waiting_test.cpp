// SPDX-License-Identifier: Apache-2.0

#include "puma/base/failure.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/threads.hpp"

#include <chrono>
#include <optional>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::buffer;
using puma::receive_status;
using std::chrono::steady_clock;

namespace {

/// A limit that only a call that hangs would reach.
constexpr auto long_time = 30s;

TEST(an_empty_buffer, wakes_a_subscription_when_a_value_comes) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  auto status = receive_status::empty;
  steady_clock::time_point woken;
  observed_thread thread{[&, in = b.subscribe()]() mutable {
    status = in.next_for(long_time).status();
    woken = steady_clock::now();
  }};
  thread.wait_until_asleep();
  const auto start = steady_clock::now();

  out.publish(1);

  thread.join();
  EXPECT_EQ(status, receive_status::value);
  EXPECT_LT(woken - start, long_time);
}

TEST(an_empty_buffer, wakes_a_subscription_at_the_end_of_the_stream) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  auto last = std::optional{1};
  observed_thread thread{
    [&, in = b.subscribe()]() mutable { last = in.next(); }};
  thread.wait_until_asleep();

  out.complete();

  thread.join();
  EXPECT_FALSE(last);
}

TEST(an_empty_buffer, wakes_a_subscription_when_the_last_publisher_goes) {
  buffer<int> b{"items", 1};
  auto completed = b.open_publisher();
  auto closed = b.open_publisher();
  completed.complete();
  auto last = std::optional{1};
  observed_thread thread{
    [&, in = b.subscribe()]() mutable { last = in.next(); }};
  thread.wait_until_asleep();

  closed.close();

  thread.join();
  EXPECT_FALSE(last);
}

TEST(an_empty_buffer, wakes_a_subscription_with_the_error) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  int code = 0;
  observed_thread thread{[&, in = b.subscribe()]() mutable {
    try {
      static_cast<void>(in.next());
    } catch (const sensor_broken& error) {
      code = error.code;
    }
  }};
  thread.wait_until_asleep();

  out.fail(sensor_broken{17});

  thread.join();
  EXPECT_EQ(code, 17);
}

TEST(waiting, uses_no_processor_time) {
  buffer<int> never{"never", 1};
  buffer<int> items{"items", 1};
  buffer<int> full{"full", 1};
  auto filler = full.open_publisher();
  publish_numbers(filler, 1, 1);
  auto timer = never.subscribe();
  auto out = items.open_publisher();
  observed_thread receiving{
    [in = items.subscribe()]() mutable { static_cast<void>(in.next()); }};
  observed_thread publishing{[&] { filler.publish(2); }};
  receiving.wait_until_asleep();
  publishing.wait_until_asleep();
  const auto before = process_cpu_time();

  static_cast<void>(timer.next_for(200ms));

  EXPECT_LT(process_cpu_time() - before, 20ms);
  out.publish(1);
  static_cast<void>(full.subscribe().next());
}

} // namespace
