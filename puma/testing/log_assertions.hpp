// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/testing/capture_logs.hpp"

#include <gtest/gtest.h>

#include <source_location>

namespace puma::testing {

/// Fails the running test if a line of `warning` or above was captured; names
/// them. For programs with GoogleTest.
inline void assert_no_warnings_or_errors(
  const capture_logs& logs,
  std::source_location where = std::source_location::current()) {
  const auto found = logs.lines({.level = log_level::warning});
  if (found.empty())
    return;
  ::testing::Message text;
  text << "expected no warnings or errors in the log, but there are:";
  for (auto& x : found)
    text << "\n  " << puma::to_string(x.level) << " [" << x.process << "] "
         << x.logger << ": " << x.text;
  ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << text;
}

} // namespace puma::testing
