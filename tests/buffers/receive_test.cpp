// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"

#include <chrono>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::buffer;
using puma::receive_status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

template <class T>
class receive : public no_instance_left {
 protected:
  buffer<T> b{"items", 100};
  puma::publisher<T> out = b.open_publisher();
  puma::subscription<T> in = b.subscribe();

  void TearDown() override {
    out = {};
    in = {};
    b = {};
    no_instance_left::TearDown();
  }
};

TYPED_TEST_SUITE(receive, item_types);

TYPED_TEST(receive, waits_for_a_value_and_hands_it_over) {
  publish_numbers(this->out, 1, 2);

  const auto first = this->in.next();
  const auto second = this->in.next_for(1h);

  ASSERT_TRUE(first);
  EXPECT_EQ(number_of(*first), 1);
  ASSERT_EQ(second.status(), receive_status::value);
}

TYPED_TEST(receive, without_waiting_says_that_the_buffer_is_empty) {
  auto result = this->in.try_next();

  EXPECT_EQ(result.status(), receive_status::empty);
  EXPECT_FALSE(result);
  EXPECT_FALSE(result.error());
}

TYPED_TEST(receive, hands_over_one_value_per_call) {
  publish_numbers(this->out, 1, 2);

  auto first = this->in.try_next();

  ASSERT_TRUE(first);
  EXPECT_EQ(number_of(*first), 1);
  EXPECT_EQ(this->b.stats().waiting, 1u);
}

TYPED_TEST(receive, with_a_time_limit_gives_up_when_nothing_comes) {
  const auto start = std::chrono::steady_clock::now();

  const auto result = this->in.next_for(3ms);

  EXPECT_EQ(result.status(), receive_status::empty);
  EXPECT_GE(std::chrono::steady_clock::now() - start, 3ms);
}

TYPED_TEST(receive, with_a_time_limit_of_0_takes_what_is_there) {
  publish_numbers(this->out, 1, 1);

  EXPECT_TRUE(this->in.next_for(0ms));
  EXPECT_EQ(this->in.next_for(0ms).status(), receive_status::empty);
}

TYPED_TEST(receive, goes_on_when_the_subscription_was_moved) {
  publish_numbers(this->out, 1, 3);
  const auto before = take(this->in, 1);

  auto moved = std::move(this->in);

  EXPECT_THAT(before, ElementsAre(1));
  EXPECT_THAT(take_all(moved), ElementsAre(2, 3));
}

TYPED_TEST(receive, loses_nothing_between_two_subscriptions) {
  publish_numbers(this->out, 1, 3);
  const auto before = take_all(this->in);
  this->in.unsubscribe();
  publish_numbers(this->out, 4, 6);

  this->in = this->b.subscribe();

  EXPECT_THAT(before, ElementsAre(1, 2, 3));
  EXPECT_THAT(take_all(this->in), ElementsAre(4, 5, 6));
}

TYPED_TEST(receive, leaves_what_it_has_not_handed_over_to_the_next_one) {
  publish_numbers(this->out, 1, 50);
  take(this->in, 10);
  publish_numbers(this->out, 51, 60);
  this->in.unsubscribe();

  this->in = this->b.subscribe();

  std::vector<int> expected;
  for (int i = 11; i <= 60; ++i)
    expected.push_back(i);
  EXPECT_EQ(take_all(this->in), expected);
  expect_balanced(this->b.stats());
}

TYPED_TEST(receive, keeps_the_order_over_many_subscriptions_in_mid_stream) {
  std::vector<int> seen;
  std::vector<int> expected;
  for (int i = 0; i != 200; ++i) {
    publish_numbers(this->out, i, i);
    expected.push_back(i);
    if (i % 3 == 2)
      for (const auto x : take(this->in, 2))
        seen.push_back(x);
    if (i % 7 == 6) {
      this->in.unsubscribe();
      this->in = this->b.subscribe();
    }
  }

  for (const auto x : take_all(this->in))
    seen.push_back(x);

  EXPECT_EQ(seen, expected);
}

TYPED_TEST(receive, in_a_loop_goes_on_until_the_stream_completes) {
  publish_numbers(this->out, 1, 3);
  this->out.complete();
  std::vector<int> seen;

  for (auto& value : this->in)
    seen.push_back(number_of(value));

  EXPECT_THAT(seen, ElementsAre(1, 2, 3));
}

TYPED_TEST(receive, in_a_loop_may_be_left_and_resumed) {
  publish_numbers(this->out, 1, 3);
  this->out.complete();
  for (auto& value : this->in)
    if (number_of(value) == 2)
      break;

  std::vector<int> rest;
  for (auto& value : this->in)
    rest.push_back(number_of(value));

  EXPECT_THAT(rest, ElementsAre(3));
}

// -- one at a time ------------------------------------------------------------

TEST(a_subscription, is_the_only_one_of_its_buffer) {
  buffer<int> b{"items", 1};
  auto first = b.subscribe();

  const auto text = usage_error_text([&] { static_cast<void>(b.subscribe()); });

  EXPECT_THAT(text, HasSubstr("'items'"));
  EXPECT_THAT(text, HasSubstr("subscription"));
}

TEST(a_subscription, still_works_after_a_second_one_was_refused) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  EXPECT_THROW(in = b.subscribe(), puma::usage_error);

  publish_numbers(out, 1, 1);

  EXPECT_THAT(take_all(in), ElementsAre(1));
}

TEST(a_subscription, tells_the_name_of_its_buffer) {
  const auto in = buffer<int>{"items", 1}.subscribe();

  EXPECT_EQ(in.name(), "items");
}

} // namespace
