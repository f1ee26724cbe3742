// SPDX-License-Identifier: Apache-2.0

#include "puma/base/failure.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

using puma::failure;

namespace {

failure boom() {
  return failure{std::make_exception_ptr(std::range_error{"boom"}), "stage",
                 "on_value (value 3)"};
}

} // namespace

TEST(failure, keeps_type_text_and_origin) {
  const auto x = boom();

  EXPECT_EQ(x.type(), "std::range_error");
  EXPECT_EQ(x.text(), "boom");
  EXPECT_EQ(x.runnable(), "stage");
  EXPECT_EQ(x.activity(), "on_value (value 3)");
  EXPECT_FALSE(x.node().empty());
}

TEST(failure, has_an_identity_that_copies_share) {
  const auto x = boom();
  const auto copy = x;

  EXPECT_EQ(copy.id(), x.id());
  EXPECT_NE(boom().id(), x.id());
}

TEST(failure, rethrows_the_exception_itself) {
  EXPECT_THROW(boom().rethrow(), std::range_error);
}

TEST(failure, tells_its_origin_where_it_is_caught) {
  const auto x = boom();
  try {
    x.rethrow();
  } catch (const std::exception&) {
    const auto origin = puma::current_failure();
    ASSERT_TRUE(origin);
    EXPECT_EQ(origin->id(), x.id());
  }
}

TEST(failure, is_not_the_origin_of_other_exceptions) {
  EXPECT_THROW(boom().rethrow(), std::range_error);
  try {
    throw std::range_error{"another"};
  } catch (const std::exception&) {
    EXPECT_FALSE(puma::current_failure());
  }
  EXPECT_FALSE(puma::current_failure());
}

TEST(failure, describes_exceptions_of_any_type) {
  const failure text{std::make_exception_ptr("plain text")};
  const failure string{std::make_exception_ptr(std::string{"a string"})};
  const failure number{std::make_exception_ptr(42)};
  const failure none{std::exception_ptr{}};

  EXPECT_EQ(text.text(), "plain text");
  EXPECT_EQ(string.text(), "a string");
  EXPECT_EQ(number.text(), "an exception without a text");
  EXPECT_EQ(none.type(), "std::invalid_argument");
}

TEST(failure, describes_itself_and_its_cause_in_one_line) {
  const failure x{std::make_exception_ptr(std::logic_error{"second"}), "late",
                  "on_complete", boom()};

  const auto line = x.describe();

  EXPECT_EQ(line.find("runnable 'late': on_complete failed with "
                      "std::logic_error: second ["),
            0u)
    << line;
  EXPECT_NE(line.find("; after: runnable 'stage': on_value (value 3) failed "
                      "with std::range_error: boom ["),
            std::string::npos)
    << line;
}
