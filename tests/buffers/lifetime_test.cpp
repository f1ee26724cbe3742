// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/captured_log.hpp"

#include <utility>

using namespace puma_test;
using puma::buffer;
using puma::publish_result;
using puma::receive_status;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

// -- closing ------------------------------------------------------------------

class closing : public ::testing::Test {
 protected:
  captured_log log;
  buffer<int> b{"items", 3};
  puma::publisher<int> out = b.open_publisher();
  puma::subscription<int> in = b.subscribe();
};

TEST_F(closing, a_publisher_twice_is_harmless_and_logged) {
  out.close();
  out.close();

  EXPECT_THAT(log.warnings(), IsEmpty());
  EXPECT_THAT(log.texts_from(puma::log_level::debug),
              ElementsAre(HasSubstr("publisher: closed already")));
}

TEST_F(closing, a_subscription_twice_is_harmless_and_logged) {
  in.unsubscribe();
  in.unsubscribe();

  EXPECT_THAT(log.warnings(), IsEmpty());
  EXPECT_THAT(log.texts_from(puma::log_level::debug),
              ElementsAre(HasSubstr("subscription: closed already")));
}

TEST_F(closing, a_publisher_makes_using_it_an_error) {
  out.close();

  EXPECT_THROW(out.publish(1), puma::usage_error);
  EXPECT_THROW(out.publish_for(1, {}), puma::usage_error);
  EXPECT_THROW(static_cast<void>(out.try_publish(1)), puma::usage_error);
  EXPECT_THROW(out.flush(), puma::usage_error);
  EXPECT_THROW(out.complete(), puma::usage_error);
  EXPECT_THROW(out.fail(sensor_broken{1}), puma::usage_error);
  EXPECT_THROW(static_cast<void>(out.name()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(out.is_live()), puma::usage_error);
}

TEST_F(closing, a_subscription_makes_using_it_an_error) {
  const auto ignore = [](auto&&) {};
  in.unsubscribe();

  EXPECT_THROW(static_cast<void>(in.next()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(in.next_for({})), puma::usage_error);
  EXPECT_THROW(static_cast<void>(in.try_next()), puma::usage_error);
  EXPECT_THROW(in.call_events(ignore, ignore), puma::usage_error);
  EXPECT_THROW(static_cast<void>(in.begin()), puma::usage_error);
  EXPECT_THROW(static_cast<void>(in.name()), puma::usage_error);
}

TEST_F(closing, by_moving_away_makes_using_what_is_left_an_error) {
  const auto new_out = std::move(out);
  const auto new_in = std::move(in);

  EXPECT_THROW(out.publish(1), puma::usage_error);
  EXPECT_THROW(static_cast<void>(in.try_next()), puma::usage_error);
}

TEST_F(closing, a_completed_publisher_is_no_error) {
  out.complete();
  out.close();

  EXPECT_EQ(in.try_next().status(), receive_status::completed);
}

TEST_F(closing, by_assigning_another_publisher_leaves_the_stream_open) {
  publish_numbers(out, 1, 1);

  out = b.open_publisher();
  publish_numbers(out, 2, 2);
  out.complete();

  EXPECT_THAT(take_all(in), ElementsAre(1, 2));
  EXPECT_EQ(in.try_next().status(), receive_status::completed);
}

// -- leftovers ----------------------------------------------------------------

template <class T>
class leftovers : public no_instance_left {
 protected:
  static void leave_three(buffer<T> b) {
    auto out = b.open_publisher();
    auto in = b.subscribe();
    publish_numbers(out, 1, 5);
    take(in, 2);
  }
};

TYPED_TEST_SUITE(leftovers, item_types);

TYPED_TEST(leftovers, are_counted_in_a_warning) {
  this->leave_three(buffer<TypeParam>{"items", 5});

  EXPECT_THAT(this->log.warnings(),
              ElementsAre(AllOf(HasSubstr("'items'"), HasSubstr(" 3 "))));
}

TYPED_TEST(leftovers, may_be_left_without_a_warning) {
  this->leave_three(
    buffer<TypeParam>{"items", 5, {.warn_about_leftovers = false}});

  EXPECT_THAT(this->log.lines(), IsEmpty());
}

TYPED_TEST(leftovers, are_none_when_everything_was_taken) {
  {
    buffer<TypeParam> b{"items", 5};
    auto out = b.open_publisher();
    auto in = b.subscribe();
    publish_numbers(out, 1, 5);
    out.complete();
    take_all(in);
  }

  EXPECT_THAT(this->log.lines(), IsEmpty());
}

TYPED_TEST(leftovers, are_kept_as_long_as_there_is_a_handle) {
  buffer<TypeParam> b{"items", 5};
  this->leave_three(b);

  EXPECT_THAT(this->log.lines(), IsEmpty());
  EXPECT_EQ(b.stats().waiting, 3u);
  auto in = b.subscribe();
  EXPECT_THAT(take_all(in), ElementsAre(3, 4, 5));
}

// -- the last handle ----------------------------------------------------------

class the_last_handle : public ::testing::Test {
 protected:
  captured_log log;
};

TEST_F(the_last_handle, warns_when_it_goes_while_ends_are_open) {
  buffer<int> b{"items", 3};
  auto out = b.open_publisher();
  auto in = b.subscribe();

  b = {};

  EXPECT_THAT(log.warnings(),
              ElementsAre(AllOf(HasSubstr("'items'"), HasSubstr(" 2 "))));
}

TEST_F(the_last_handle, leaves_open_ends_usable_when_it_goes) {
  buffer<int> b{"items", 3};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  b = {};

  publish_numbers(out, 1, 2);
  out.complete();

  EXPECT_EQ(out.name(), "items");
  EXPECT_THAT(take_all(in), ElementsAre(1, 2));
  EXPECT_EQ(in.try_next().status(), receive_status::completed);
}

TEST_F(the_last_handle, says_nothing_while_another_one_is_left) {
  buffer<int> b{"items", 3};
  auto copy = b;
  auto out = b.open_publisher();

  b = {};

  EXPECT_THAT(log.lines(), IsEmpty());
}

TEST_F(the_last_handle, says_nothing_when_the_ends_have_gone_before) {
  buffer<int> b{"items", 3};
  b.open_publisher().close();
  b.subscribe().unsubscribe();

  b = {};

  EXPECT_THAT(log.lines(), IsEmpty());
}

TEST_F(the_last_handle, says_nothing_when_the_stream_has_ended) {
  buffer<int> b{"items", 3};
  auto in = b.subscribe();
  b.open_publisher().complete();

  b = {};

  EXPECT_THAT(log.lines(), IsEmpty());
}

} // namespace
