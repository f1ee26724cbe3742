// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/captured_log.hpp"

#include <chrono>
#include <utility>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::buffer;
using puma::publish_result;
using puma::when_full;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

namespace {

template <class T>
class overflow : public no_instance_left {
 protected:
  static buffer<T> full_buffer(puma::overflow policy) {
    buffer<T> b{"items", 3, {.overflow = policy}};
    auto out = b.open_publisher();
    publish_numbers(out, 1, 3);
    return b;
  }
};

TYPED_TEST_SUITE(overflow, item_types);

// -- fail ---------------------------------------------------------------------

TYPED_TEST(overflow, fail_throws_and_leaves_the_value) {
  const auto b = TestFixture::full_buffer(puma::overflow::fail);
  auto out = b.open_publisher();
  auto value = item<TypeParam>(4);

  const auto text = text_of<puma::buffer_full>(
    [&] { out.publish(std::move(value)); });

  EXPECT_EQ(number_of(value), 4);
  EXPECT_THAT(text, AllOf(HasSubstr("'items'"), HasSubstr("full")));
}

TYPED_TEST(overflow, fail_counts_what_it_refused) {
  const auto b = TestFixture::full_buffer(puma::overflow::fail);
  auto out = b.open_publisher();

  EXPECT_THROW(out.publish(item<TypeParam>(4)), puma::buffer_full);
  EXPECT_THROW(out.publish(item<TypeParam>(5)), puma::buffer_full);

  EXPECT_EQ(b.stats().refused, 2u);
  EXPECT_EQ(b.stats().accepted, 3u);
  expect_balanced(b.stats());
}

TYPED_TEST(overflow, fail_does_not_throw_out_of_calls_that_return_a_status) {
  const auto b = TestFixture::full_buffer(puma::overflow::fail);
  auto out = b.open_publisher();

  EXPECT_EQ(out.try_publish(item<TypeParam>(4)), publish_result::full);
  EXPECT_EQ(out.publish_for(item<TypeParam>(4), 1ms), publish_result::full);
}

TYPED_TEST(overflow, fail_accepts_again_once_there_is_room) {
  const auto b = TestFixture::full_buffer(puma::overflow::fail);
  auto out = b.open_publisher();
  auto in = b.subscribe();
  EXPECT_THROW(out.publish(item<TypeParam>(4)), puma::buffer_full);
  take(in, 1);

  out.publish(item<TypeParam>(5));

  EXPECT_THAT(take_all(in), ElementsAre(2, 3, 5));
}

// -- drop_newest --------------------------------------------------------------

TYPED_TEST(overflow, drop_newest_keeps_the_old_values_and_counts_the_new_one) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_newest);
  auto out = b.open_publisher();

  const auto status = out.publish(item<TypeParam>(4));

  EXPECT_EQ(status, publish_result::full);
  EXPECT_EQ(b.stats().dropped_newest, 1u);
  EXPECT_EQ(b.stats().accepted, 3u);
  expect_balanced(b.stats());
  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(1, 2, 3));
}

TYPED_TEST(overflow, drop_newest_says_so_in_the_log) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_newest);
  auto out = b.open_publisher();

  out.publish(item<TypeParam>(4));

  EXPECT_THAT(this->log.warnings(),
              ElementsAre(AllOf(HasSubstr("'items'"), HasSubstr("dropped 1"))));
}

TYPED_TEST(overflow, drop_newest_drops_nothing_in_calls_that_return_a_status) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_newest);
  auto out = b.open_publisher();
  auto value = item<TypeParam>(4);

  EXPECT_EQ(out.try_publish(std::move(value)), publish_result::full);
  EXPECT_EQ(out.publish_for(std::move(value), 1ms), publish_result::full);

  EXPECT_EQ(number_of(value), 4);
  EXPECT_EQ(b.stats().dropped_newest, 0u);
}

// -- drop_oldest --------------------------------------------------------------

TYPED_TEST(overflow, drop_oldest_makes_room_for_the_new_value) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_oldest);
  auto out = b.open_publisher();

  publish_numbers(out, 4, 5);

  EXPECT_EQ(b.stats().dropped_oldest, 2u);
  EXPECT_EQ(b.stats().waiting, 3u);
  expect_balanced(b.stats());
  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(3, 4, 5));
}

TYPED_TEST(overflow, drop_oldest_says_so_in_the_log) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_oldest);
  auto out = b.open_publisher();

  publish_numbers(out, 4, 4);

  EXPECT_THAT(this->log.warnings(),
              ElementsAre(AllOf(HasSubstr("'items'"), HasSubstr("oldest"))));
}

TYPED_TEST(overflow, drop_oldest_drops_nothing_while_there_is_room) {
  buffer<TypeParam> b{"items", 2, {.overflow = puma::overflow::drop_oldest}};
  auto out = b.open_publisher();
  auto in = b.subscribe();

  for (int i = 0; i != 50; ++i) {
    publish_numbers(out, 2 * i, 2 * i + 1);
    EXPECT_THAT(take_all(in), ElementsAre(2 * i, 2 * i + 1));
  }

  EXPECT_EQ(b.stats().dropped_oldest, 0u);
}

TYPED_TEST(overflow, drop_oldest_acts_on_values_that_wait_at_a_subscription) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_oldest);
  auto out = b.open_publisher();
  auto in = b.subscribe();
  const auto first = take(in, 1);

  publish_numbers(out, 4, 6);

  EXPECT_THAT(first, ElementsAre(1));
  EXPECT_THAT(take_all(in), ElementsAre(4, 5, 6));
  EXPECT_EQ(b.stats().dropped_oldest, 2u);
  expect_balanced(b.stats());
}

TYPED_TEST(overflow, drop_oldest_always_has_room_so_no_call_is_refused) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_oldest);
  auto out = b.open_publisher();

  EXPECT_EQ(out.try_publish(item<TypeParam>(4)), publish_result::accepted);
  EXPECT_EQ(out.publish_for(item<TypeParam>(5), 0ms), publish_result::accepted);

  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(3, 4, 5));
}

// -- latest -------------------------------------------------------------------

TYPED_TEST(overflow, latest_keeps_only_the_newest_value) {
  const auto b = TestFixture::full_buffer(puma::overflow::latest);
  auto in = b.subscribe();

  EXPECT_EQ(b.stats().dropped_oldest, 2u);
  EXPECT_EQ(b.stats().waiting, 1u);
  EXPECT_THAT(take_all(in), ElementsAre(3));
  expect_balanced(b.stats());
}

TYPED_TEST(overflow, latest_goes_on_after_each_value_taken) {
  const auto b = TestFixture::full_buffer(puma::overflow::latest);
  auto out = b.open_publisher();
  auto in = b.subscribe();
  take_all(in);

  publish_numbers(out, 4, 6);

  EXPECT_THAT(take_all(in), ElementsAre(6));
  EXPECT_EQ(b.stats().taken, 2u);
}

TYPED_TEST(overflow, latest_delivers_the_newest_value_before_the_end) {
  const auto b = TestFixture::full_buffer(puma::overflow::latest);
  b.open_publisher().complete();
  auto in = b.subscribe();

  EXPECT_THAT(take_all(in), ElementsAre(3));
  EXPECT_EQ(in.try_next().status(), puma::receive_status::completed);
}

// -- a policy per publisher ---------------------------------------------------

TYPED_TEST(overflow, of_a_publisher_may_be_to_fail) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_oldest);
  auto out = b.open_publisher({.when_full = when_full::fail});

  EXPECT_THROW(out.publish(item<TypeParam>(4)), puma::buffer_full);

  EXPECT_EQ(b.stats().dropped_oldest, 0u);
}

TYPED_TEST(overflow, of_a_publisher_may_be_to_drop_the_newest) {
  const auto b = TestFixture::full_buffer(puma::overflow::block);
  auto out = b.open_publisher({.when_full = when_full::drop_newest});

  EXPECT_EQ(out.publish(item<TypeParam>(4)), publish_result::full);

  EXPECT_EQ(b.stats().dropped_newest, 1u);
}

TYPED_TEST(overflow, of_a_publisher_may_be_to_warn) {
  const auto b = TestFixture::full_buffer(puma::overflow::fail);
  auto out = b.open_publisher({.when_full = when_full::warn});

  EXPECT_EQ(out.publish(item<TypeParam>(4)), publish_result::full);

  EXPECT_EQ(b.stats().dropped_newest, 1u);
  EXPECT_THAT(this->log.warnings(), ElementsAre(HasSubstr("dropped 1")));
}

TYPED_TEST(overflow, of_one_publisher_leaves_the_others_as_they_are) {
  const auto b = TestFixture::full_buffer(puma::overflow::drop_oldest);
  auto failing = b.open_publisher({.when_full = when_full::fail});
  auto other = b.open_publisher();

  EXPECT_THROW(failing.publish(item<TypeParam>(4)), puma::buffer_full);
  publish_numbers(other, 5, 5);

  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(2, 3, 5));
}

TEST(a_buffer_that_drops_for_long, logs_few_lines_that_count_it_all) {
  captured_log log;
  {
    buffer<int> b{
      "items",
      1,
      {.overflow = puma::overflow::drop_newest, .warn_about_leftovers = false}};
    auto out = b.open_publisher();

    for (int i = 0; i != 10'000; ++i)
      out.publish(i);

    EXPECT_EQ(b.stats().dropped_newest, 9'999u);
  }

  const auto texts = log.warnings();
  EXPECT_LE(texts.size(), 20u);
  std::uint64_t sum = 0;
  for (const auto& text : texts)
    sum += std::stoull(text.substr(text.find("dropped ") + 8));
  EXPECT_EQ(sum, 9'999u);
}

} // namespace
