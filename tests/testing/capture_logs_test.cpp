// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/capture_logs.hpp"

#include <gtest/gtest.h>

#include <thread>

using puma::log;
using puma::log_level;
using puma::testing::capture_logs;

TEST(capture_logs, keeps_level_logger_and_text_of_each_line) {
  capture_logs captured;

  log(log_level::info, "a.b", "hello");

  ASSERT_EQ(captured.lines().size(), 1u);
  const auto line = captured.lines().front();
  EXPECT_EQ(line.level, log_level::info);
  EXPECT_EQ(line.logger, "a.b");
  EXPECT_EQ(line.text, "hello");
}

TEST(capture_logs, counts_by_level_and_text) {
  capture_logs captured;

  log(log_level::debug, "x", "one");
  log(log_level::warning, "x", "one");
  log(log_level::error, "x", "two");

  EXPECT_EQ(captured.count(log_level::debug), 3u);
  EXPECT_EQ(captured.count(log_level::warning), 2u);
  EXPECT_EQ(captured.count(log_level::warning, "one"), 1u);
  EXPECT_EQ(captured.count(log_level::error, "one"), 0u);
}

TEST(capture_logs, gives_lines_to_the_innermost_one) {
  capture_logs outer;
  {
    capture_logs inner;
    log(log_level::error, "x", "in");
    EXPECT_EQ(inner.count(log_level::debug), 1u);
  }

  log(log_level::error, "x", "out");

  EXPECT_EQ(outer.to_string(), "error x: out\n");
}

TEST(capture_logs, takes_lines_from_any_thread) {
  capture_logs captured;

  std::thread{[] { log(log_level::error, "x", "elsewhere"); }}.join();

  EXPECT_EQ(captured.count(log_level::error, "elsewhere"), 1u);
}
