// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/base/failure.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"

#include <exception>
#include <utility>
#include <vector>

using namespace puma_test;
using puma::buffer;
using puma::publish_result;
using puma::receive_status;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

template <class T>
class end_of_stream : public no_instance_left {};

TYPED_TEST_SUITE(end_of_stream, item_types);

// -- completion ---------------------------------------------------------------

TYPED_TEST(end_of_stream, comes_after_all_values) {
  buffer<TypeParam> b{"items", 3};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 2);
  out.complete();
  auto in = b.subscribe();

  EXPECT_THAT(take_all(in), ElementsAre(1, 2));
  EXPECT_EQ(in.try_next().status(), receive_status::completed);
  EXPECT_FALSE(in.next());
}

TYPED_TEST(end_of_stream, needs_no_room) {
  buffer<TypeParam> b{"items", 1};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 1);

  out.complete();

  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(1));
  EXPECT_EQ(in.try_next().status(), receive_status::completed);
}

TYPED_TEST(end_of_stream, waits_for_all_publishers_to_end) {
  buffer<TypeParam> b{"items", 3};
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  auto in = b.subscribe();

  x.complete();
  EXPECT_EQ(in.try_next().status(), receive_status::empty);
  publish_numbers(y, 1, 1);
  y.complete();

  EXPECT_THAT(take_all(in), ElementsAre(1));
  EXPECT_EQ(in.try_next().status(), receive_status::completed);
}

TYPED_TEST(end_of_stream, does_not_come_of_publishers_that_just_go) {
  buffer<TypeParam> b{"items", 3};
  auto in = b.subscribe();
  {
    auto x = b.open_publisher();
    publish_numbers(x, 1, 1);
  }
  b.open_publisher().close();

  EXPECT_THAT(take_all(in), ElementsAre(1));
  EXPECT_EQ(in.try_next().status(), receive_status::empty);
}

TYPED_TEST(end_of_stream, comes_when_the_last_one_goes_and_another_completed) {
  buffer<TypeParam> b{"items", 3};
  auto in = b.subscribe();
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  x.complete();
  publish_numbers(y, 1, 1);

  y.close();

  EXPECT_THAT(take_all(in), ElementsAre(1));
  EXPECT_EQ(in.try_next().status(), receive_status::completed);
}

TYPED_TEST(end_of_stream, is_not_announced_by_a_publisher_closed_after_it) {
  buffer<TypeParam> b{"items", 3};
  auto in = b.subscribe();
  auto x = b.open_publisher();
  auto y = b.open_publisher();

  x.complete();
  x.close();

  EXPECT_EQ(in.try_next().status(), receive_status::empty);
  EXPECT_TRUE(y.is_live());
}

TYPED_TEST(end_of_stream, is_announced_only_once_by_one_publisher) {
  buffer<TypeParam> b{"items", 3};
  auto out = b.open_publisher();
  out.complete();

  const auto text = usage_error_text([&] { out.complete(); });

  EXPECT_THAT(text, HasSubstr("'items'"));
  EXPECT_THROW(out.fail(sensor_broken{1}), puma::usage_error);
}

TYPED_TEST(end_of_stream, forbids_its_publisher_to_publish_more) {
  buffer<TypeParam> b{"items", 3};
  auto out = b.open_publisher();
  out.complete();
  auto value = item<TypeParam>(1);

  EXPECT_THROW(out.publish(std::move(value)), puma::usage_error);
  EXPECT_THROW(out.publish_for(std::move(value), {}), puma::usage_error);
  EXPECT_THROW(static_cast<void>(out.try_publish(std::move(value))),
               puma::usage_error);

  EXPECT_EQ(number_of(value), 1);
}

TYPED_TEST(end_of_stream, closes_the_buffer_for_later_publishers) {
  buffer<TypeParam> b{"items", 3};
  b.open_publisher().complete();
  auto late = b.open_publisher();
  auto value = item<TypeParam>(1);

  const auto status = late.publish(std::move(value));

  EXPECT_EQ(status, publish_result::closed);
  EXPECT_EQ(number_of(value), 1);
  EXPECT_FALSE(late.is_live());
  EXPECT_EQ(b.stats().after_end, 1u);
}

TYPED_TEST(end_of_stream, is_told_again_and_again) {
  buffer<TypeParam> b{"items", 3};
  b.open_publisher().complete();
  auto in = b.subscribe();

  for (int i = 0; i != 3; ++i) {
    EXPECT_FALSE(in.next());
    EXPECT_EQ(in.try_next().status(), receive_status::completed);
    EXPECT_EQ(in.next_for({}).status(), receive_status::completed);
  }
}

TYPED_TEST(end_of_stream, is_told_to_a_later_subscriber) {
  buffer<TypeParam> b{"items", 3};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 2);
  out.complete();
  const auto before = [&] {
    auto first = b.subscribe();
    return take(first, 2);
  }();

  auto second = b.subscribe();

  EXPECT_THAT(before, ElementsAre(1, 2));
  EXPECT_EQ(second.try_next().status(), receive_status::completed);
}

// -- failure ------------------------------------------------------------------

TYPED_TEST(end_of_stream, by_an_error_comes_after_the_values_before_it) {
  buffer<TypeParam> b{"items", 2};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 2);
  out.fail(sensor_broken{17});
  auto in = b.subscribe();

  EXPECT_THAT(take_all(in), ElementsAre(1, 2));
  EXPECT_EQ(in.try_next().status(), receive_status::failed);
}

TYPED_TEST(end_of_stream, by_an_error_does_not_wait_for_other_publishers) {
  buffer<TypeParam> b{"items", 3};
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  publish_numbers(y, 1, 1);

  x.fail(sensor_broken{17});

  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(1));
  EXPECT_EQ(in.try_next().status(), receive_status::failed);
}

TYPED_TEST(end_of_stream, by_an_error_closes_the_buffer_for_the_others) {
  buffer<TypeParam> b{"items", 3};
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  x.fail(sensor_broken{17});
  auto value = item<TypeParam>(1);

  EXPECT_EQ(y.publish(std::move(value)), publish_result::closed);
  EXPECT_EQ(y.try_publish(std::move(value)), publish_result::closed);
  EXPECT_EQ(y.publish_for(std::move(value), {}), publish_result::closed);

  EXPECT_EQ(number_of(value), 1);
  EXPECT_EQ(b.stats().after_end, 3u);
  EXPECT_EQ(b.stats().left_over, 0u);
  expect_balanced(b.stats());
}

TYPED_TEST(end_of_stream, by_an_error_lets_the_others_complete_in_order) {
  buffer<TypeParam> b{"items", 3};
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  x.fail(sensor_broken{17});

  y.complete();

  auto in = b.subscribe();
  EXPECT_EQ(in.try_next().status(), receive_status::failed);
}

TYPED_TEST(end_of_stream, keeps_the_first_of_two_errors) {
  buffer<TypeParam> b{"items", 3};
  auto x = b.open_publisher();
  auto y = b.open_publisher();
  x.fail(sensor_broken{1});

  y.fail(sensor_broken{2});

  auto in = b.subscribe();
  try {
    static_cast<void>(in.next());
    FAIL() << "no error";
  } catch (const sensor_broken& error) {
    EXPECT_EQ(error.code, 1);
  }
}

TYPED_TEST(end_of_stream, by_an_error_is_told_to_a_later_subscriber_too) {
  buffer<TypeParam> b{"items", 3};
  b.open_publisher().fail(sensor_broken{17});
  {
    auto first = b.subscribe();
    EXPECT_THROW(static_cast<void>(first.next()), sensor_broken);
  }

  auto second = b.subscribe();

  EXPECT_THROW(static_cast<void>(second.next()), sensor_broken);
  EXPECT_THROW(static_cast<void>(second.next()), sensor_broken);
}

TYPED_TEST(end_of_stream, by_an_error_leaves_a_loop_with_that_error) {
  buffer<TypeParam> b{"items", 3};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 2);
  out.fail(sensor_broken{17});
  auto in = b.subscribe();
  std::vector<int> seen;
  const auto loop = [&] {
    for (auto& value : in)
      seen.push_back(number_of(value));
  };

  EXPECT_THROW(loop(), sensor_broken);

  EXPECT_THAT(seen, ElementsAre(1, 2));
}

} // namespace
