// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::buffer;
using puma::publish_result;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

// -- making a buffer ----------------------------------------------------------

TEST(making_a_buffer, refuses_an_empty_name) {
  const auto text = usage_error_text([] { buffer<int> b{"", 1}; });

  EXPECT_THAT(text, HasSubstr("name"));
}

TEST(making_a_buffer, refuses_capacity_0_and_says_which_buffer_it_is) {
  const auto text = usage_error_text([] { buffer<int> b{"frames", 0}; });

  EXPECT_THAT(text, HasSubstr("'frames'"));
  EXPECT_THAT(text, HasSubstr("capacity"));
}

TEST(making_a_buffer, tells_its_name_and_capacity) {
  const buffer<int> b{"frames", 3};

  EXPECT_EQ(b.name(), "frames");
  EXPECT_EQ(b.capacity(), 3u);
}

TEST(making_a_buffer, gives_copies_of_the_handle_that_denote_the_same_buffer) {
  const buffer<int> b{"frames", 3};
  const buffer<int> other{"frames", 3};
  const auto copy = b;

  EXPECT_EQ(copy, b);
  EXPECT_NE(other, b);
}

TEST(making_a_buffer, starts_with_stats_of_nothing) {
  const auto stats = buffer<int>{"frames", 3}.stats();

  EXPECT_EQ(stats.accepted, 0u);
  EXPECT_EQ(stats.waiting, 0u);
}

TEST(a_handle_to_nothing, refuses_to_be_used) {
  const buffer<int> nothing;

  EXPECT_THROW(static_cast<void>(nothing.name()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(nothing.capacity()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(nothing.stats()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(nothing.open_publisher()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(nothing.subscribe()), puma::usage_error);
}

// -- publishing ---------------------------------------------------------------

template <class T>
class publish : public no_instance_left {};

TYPED_TEST_SUITE(publish, item_types);

TYPED_TEST(publish, keeps_values_until_somebody_subscribes) {
  buffer<TypeParam> b{"items", 3};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 3);

  auto in = b.subscribe();

  EXPECT_THAT(take_all(in), ElementsAre(1, 2, 3));
}

TYPED_TEST(publish, keeps_values_when_the_publisher_has_gone) {
  buffer<TypeParam> b{"items", 3};
  {
    auto out = b.open_publisher();
    publish_numbers(out, 1, 3);
  }

  auto in = b.subscribe();

  EXPECT_THAT(take_all(in), ElementsAre(1, 2, 3));
}

TYPED_TEST(publish, takes_the_value_that_is_accepted) {
  buffer<TypeParam> b{"items", 1};
  auto out = b.open_publisher();
  auto value = item<TypeParam>(7);

  const auto status = out.try_publish(std::move(value));

  EXPECT_EQ(status, publish_result::accepted);
  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(7));
}

TYPED_TEST(publish, without_waiting_refuses_when_full_and_leaves_the_value) {
  buffer<TypeParam> b{"items", 2};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 2);
  auto value = item<TypeParam>(3);

  const auto status = out.try_publish(std::move(value));

  EXPECT_EQ(status, publish_result::full);
  EXPECT_EQ(number_of(value), 3);
}

TYPED_TEST(publish, with_a_time_limit_of_0_refuses_when_full) {
  buffer<TypeParam> b{"items", 1};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 1);
  auto value = item<TypeParam>(2);

  const auto status = out.publish_for(std::move(value), 0ms);

  EXPECT_EQ(status, publish_result::full);
  EXPECT_EQ(number_of(value), 2);
}

TYPED_TEST(publish, with_a_time_limit_accepts_at_once_when_there_is_room) {
  buffer<TypeParam> b{"items", 2};
  auto out = b.open_publisher();

  EXPECT_EQ(out.publish_for(item<TypeParam>(1), 0ms), publish_result::accepted);
  EXPECT_EQ(out.publish_for(item<TypeParam>(2), 1h), publish_result::accepted);
}

TYPED_TEST(publish, finds_room_again_for_each_value_taken) {
  buffer<TypeParam> b{"items", 2};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 2);

  const auto taken = take(in, 1);

  EXPECT_EQ(out.try_publish(item<TypeParam>(3)), publish_result::accepted);
  EXPECT_EQ(out.try_publish(item<TypeParam>(4)), publish_result::full);
  EXPECT_THAT(taken, ElementsAre(1));
  EXPECT_THAT(take_all(in), ElementsAre(2, 3));
}

TYPED_TEST(publish, goes_on_when_its_publisher_was_moved) {
  buffer<TypeParam> b{"items", 3};
  auto first = b.open_publisher();
  publish_numbers(first, 1, 1);
  auto second = std::move(first);

  publish_numbers(second, 2, 3);

  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(1, 2, 3));
}

TYPED_TEST(publish, keeps_the_order_of_each_of_several_publishers) {
  buffer<TypeParam> b{"items", 6};
  auto x = b.open_publisher();
  auto y = b.open_publisher();

  publish_numbers(x, 1, 2);
  publish_numbers(y, 11, 13);
  publish_numbers(x, 3, 3);

  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(1, 2, 11, 12, 13, 3));
}

TYPED_TEST(publish, counts_what_is_waiting_and_what_was_taken) {
  buffer<TypeParam> b{"items", 5};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 5);

  take(in, 2);

  const auto stats = b.stats();
  EXPECT_EQ(stats.accepted, 5u);
  EXPECT_EQ(stats.taken, 2u);
  EXPECT_EQ(stats.waiting, 3u);
  expect_balanced(stats);
}

TEST(a_publisher, waits_for_at_least_its_time_limit) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 1);
  const auto start = std::chrono::steady_clock::now();

  const auto status = out.publish_for(2, 3ms);

  EXPECT_EQ(status, publish_result::full);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms);
}

TEST(a_publisher, takes_a_negative_time_limit_for_no_time) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 1);

  EXPECT_EQ(out.publish_for(2, -1h), publish_result::full);
  EXPECT_EQ(out.publish_for(2, std::chrono::nanoseconds::min()),
            publish_result::full);
}

TEST(a_publisher, copies_a_value_that_is_not_to_be_moved_from) {
  buffer<std::string> b{"items", 4};
  auto out = b.open_publisher();
  const auto text = item<std::string>(1);

  out.publish(text);
  out.publish_for(text, 0ms);
  EXPECT_EQ(out.try_publish(text), publish_result::accepted);

  auto in = b.subscribe();
  EXPECT_EQ(text, item<std::string>(1));
  EXPECT_THAT(take_all(in), ElementsAre(1, 1, 1));
}

TEST(a_publisher, tells_the_name_of_its_buffer) {
  const auto out = buffer<int>{"items", 1}.open_publisher();

  EXPECT_EQ(out.name(), "items");
}

TEST(a_publisher, is_live_while_the_stream_is_open) {
  buffer<int> b{"items", 1};
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  EXPECT_TRUE(x.is_live());

  y.fail(sensor_broken{1});

  EXPECT_FALSE(x.is_live());
}

TEST(a_publisher, may_flush_at_any_time_without_effect_in_a_plain_thread) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  auto in = b.subscribe();

  out.flush();
  publish_numbers(out, 1, 1);
  out.flush();

  EXPECT_THAT(take_all(in), ElementsAre(1));
}

} // namespace
