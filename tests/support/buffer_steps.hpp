// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"
#include "tests/support/captured_log.hpp"
#include "tests/support/items.hpp"
#include "tests/support/stats.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// Steps that the tests of buffers share.
namespace puma_test {

/// A fixture that fails when a test leaks instances of `tracked` or destroys
/// one twice, and keeps its log lines.
class no_instance_left : public ::testing::Test {
 protected:
  captured_log log;

  void SetUp() override { violations_before_ = tracked::violations(); }

  void TearDown() override {
    EXPECT_EQ(tracked::alive(), 0);
    EXPECT_EQ(tracked::violations(), violations_before_);
  }

 private:
  int violations_before_ = 0;
};

/// Publishes items with the numbers `first` up to and including `last`.
template <class T>
void publish_numbers(puma::publisher<T>& out, int first, int last) {
  for (int i = first; i <= last; ++i)
    ASSERT_EQ(out.publish(item<T>(i)), puma::publish_result::accepted);
}

/// Takes what is there now, and returns its numbers.
template <class T>
std::vector<int> take_all(puma::subscription<T>& in) {
  std::vector<int> result;
  while (auto x = in.try_next())
    result.push_back(number_of(*x));
  return result;
}

/// Takes `count` items, and returns their numbers.
template <class T>
std::vector<int> take(puma::subscription<T>& in, int count) {
  std::vector<int> result;
  for (int i = 0; i != count; ++i) {
    auto x = in.try_next();
    if (!x)
      break;
    result.push_back(number_of(*x));
  }
  return result;
}

/// Runs `what` and returns the text of the `Error` that it throws.
template <class Error, class F>
std::string text_of(F&& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.what();
  } catch (...) {
    ADD_FAILURE() << "threw another type";
    return {};
  }
  ADD_FAILURE() << "threw nothing";
  return {};
}

template <class F>
std::string usage_error_text(F&& what) {
  return text_of<puma::usage_error>(std::forward<F>(what));
}

/// An error type of an application.
struct sensor_broken : std::runtime_error {
  explicit sensor_broken(int number)
    : std::runtime_error("sensor broken"),
      code(number) {}

  int code;
};

} // namespace puma_test
