// SPDX-License-Identifier: Apache-2.0

#include "puma/base/failure.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

using namespace puma_test;
using puma::buffer;
using puma::receive_status;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// A buffer whose stream has failed with code 17.
class stream_error : public ::testing::Test {
 protected:
  buffer<int> b{"items", 3};
  puma::subscription<int> in = b.subscribe();

  void SetUp() override { b.open_publisher().fail(sensor_broken{17}); }
};

TEST_F(stream_error, keeps_its_type_when_next_throws_it) {
  try {
    static_cast<void>(in.next());
    FAIL() << "no error";
  } catch (const sensor_broken& error) {
    EXPECT_EQ(error.code, 17);
  }
}

TEST_F(stream_error, is_returned_by_the_calls_that_return_a_status) {
  auto tried = in.try_next();
  auto waited = in.next_for({});

  ASSERT_TRUE(tried.error());
  ASSERT_TRUE(waited.error());
  EXPECT_EQ(tried.error()->id(), waited.error()->id());
  EXPECT_THROW(tried.error()->rethrow(), sensor_broken);
}

TEST_F(stream_error, is_described_by_type_text_and_activity) {
  const auto result = in.try_next();

  ASSERT_TRUE(result.error());
  EXPECT_THAT(std::string{result.error()->type()}, HasSubstr("sensor_broken"));
  EXPECT_EQ(result.error()->text(), "sensor broken");
  EXPECT_EQ(result.error()->runnable(), "");
  EXPECT_THAT(result.error()->describe(),
              AllOf(HasSubstr("fail"), HasSubstr("sensor broken")));
}

TEST_F(stream_error, is_known_within_the_catch_clause) {
  const auto id = in.try_next().error()->id();
  std::optional<puma::failure> within;

  try {
    static_cast<void>(in.next());
  } catch (const sensor_broken&) {
    within = puma::current_failure();
  }

  ASSERT_TRUE(within);
  EXPECT_EQ(within->id(), id);
  EXPECT_FALSE(puma::current_failure());
}

TEST_F(stream_error, is_not_taken_for_another_one_thrown_in_the_catch_clause) {
  std::optional<puma::failure> within;

  try {
    static_cast<void>(in.next());
  } catch (const sensor_broken&) {
    try {
      throw std::runtime_error{"another"};
    } catch (const std::runtime_error&) {
      within = puma::current_failure();
    }
  }

  EXPECT_FALSE(within);
}

TEST_F(stream_error, is_handed_to_on_complete) {
  std::string text;

  const auto status = in.call_events([](int&) { FAIL(); },
                                     [&](const puma::failure* error) {
                                       ASSERT_TRUE(error);
                                       text = error->text();
                                     });

  EXPECT_EQ(status, receive_status::failed);
  EXPECT_EQ(text, "sensor broken");
}

TEST(a_stream, may_fail_with_any_exception) {
  buffer<int> b{"items", 3};
  auto in = b.subscribe();

  b.open_publisher().fail(std::make_exception_ptr(42));

  EXPECT_THROW(static_cast<void>(in.next()), int);
}

TEST(a_stream, may_fail_with_a_failure_that_came_from_elsewhere) {
  const puma::failure origin{std::make_exception_ptr(sensor_broken{17}),
                             "camera", "on_value (value 3)"};
  buffer<int> b{"items", 3};
  auto in = b.subscribe();

  b.open_publisher().fail(origin);

  const auto result = in.try_next();
  ASSERT_TRUE(result.error());
  EXPECT_EQ(result.error()->id(), origin.id());
  EXPECT_EQ(result.error()->runnable(), "camera");
  EXPECT_EQ(result.error()->activity(), "on_value (value 3)");
}

TEST(a_stream, that_fails_without_an_exception_says_so) {
  buffer<int> b{"items", 3};
  auto in = b.subscribe();

  b.open_publisher().fail(std::exception_ptr{});

  EXPECT_THROW(static_cast<void>(in.next()), std::invalid_argument);
}

TEST(a_stream, that_completes_hands_no_error_to_on_complete) {
  buffer<int> b{"items", 3};
  auto in = b.subscribe();
  b.open_publisher().complete();
  bool clean = false;

  const auto status = in.call_events(
    [](int&) { FAIL(); }, [&](const puma::failure* error) { clean = !error; });

  EXPECT_EQ(status, receive_status::completed);
  EXPECT_TRUE(clean);
}

} // namespace
