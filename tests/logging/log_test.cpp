// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/log.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

using puma::log_level;

TEST(log, names_its_levels) {
  EXPECT_EQ(puma::to_string(log_level::debug), "debug");
  EXPECT_EQ(puma::to_string(log_level::info), "info");
  EXPECT_EQ(puma::to_string(log_level::warning), "warning");
  EXPECT_EQ(puma::to_string(log_level::error), "error");
  EXPECT_EQ(puma::to_string(log_level::off), "off");
}

TEST(log, writes_from_the_set_level_on) {
  puma::set_log_level(log_level::error);

  EXPECT_FALSE(puma::logs(log_level::warning));
  EXPECT_TRUE(puma::logs(log_level::error));
  EXPECT_FALSE(puma::logs(log_level::off));

  puma::set_log_level(log_level::warning);
  EXPECT_TRUE(puma::logs(log_level::warning));
}

TEST(log, writes_a_line_with_level_process_logger_and_text) {
  ::testing::internal::CaptureStderr();

  puma::log(log_level::warning, "some.logger", "some text");

  const auto line = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(line.find(" W ["), std::string::npos) << line;
  EXPECT_NE(line.find("some.logger: some text\n"), std::string::npos) << line;
}

TEST(log, does_not_throw_when_a_sink_does) {
  auto before = puma::exchange_log_sink(
    [](log_level, std::string_view, std::string_view) {
      throw std::runtime_error{"no space"};
    });

  EXPECT_NO_THROW(puma::log(log_level::error, "x", "text"));

  puma::exchange_log_sink(std::move(before));
}
