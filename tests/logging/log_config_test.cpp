// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_config.hpp"

#include "puma/base/error.hpp"
#include "puma/logging/logging.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

using puma::log_level;
using puma::internal::log_config;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

namespace {

/// Returns what is wrong with a text.
std::string error_of(const std::string& text) {
  try {
    log_config::parse(text, "log.yaml");
  } catch (const puma::usage_error& error) {
    return error.what();
  }
  return "nothing";
}

} // namespace

TEST(log_config, reads_handlers_loggers_and_root) {
  const auto all = log_config::parse(R"(
version: 1
queue: {bytes: 100000, wait_ms: 20}
formatters:
  short: {format: "%v"}
handlers:
  con: {class: console, stream: stdout, color: never, level: error}
  plain: {class: file, filename: a.log, mode: truncate, formatter: short}
  big: {class: rotating_file, filename: b.log, max_bytes: 1000, backup_count: 3}
  day: {class: daily_file, filename: c.log, at: "03:15", backup_count: 7}
  sys: {class: syslog, ident: app, facility: local3}
loggers:
  a.b: {level: debug, handlers: [plain, big], propagate: false}
root: {level: info, handlers: [con]}
)",
                                     "log.yaml");

  EXPECT_EQ(all.queue_bytes, 100'000u);
  EXPECT_EQ(all.queue_wait, 20u);
  EXPECT_TRUE(all.handlers.at("con").to_stdout);
  EXPECT_EQ(all.handlers.at("con").color, log_config::colors::never);
  EXPECT_EQ(all.handlers.at("con").level, log_level::error);
  EXPECT_TRUE(all.handlers.at("plain").truncate);
  EXPECT_EQ(all.handlers.at("plain").pattern, "%v");
  EXPECT_EQ(all.handlers.at("big").max_bytes, 1'000u);
  EXPECT_EQ(all.handlers.at("big").backup_count, 3u);
  EXPECT_EQ(all.handlers.at("day").hour, 3);
  EXPECT_EQ(all.handlers.at("day").minute, 15);
  EXPECT_EQ(all.handlers.at("sys").ident, "app");
  EXPECT_EQ(all.loggers.at("a.b").level, log_level::debug);
  EXPECT_THAT(all.loggers.at("a.b").handlers, ElementsAre("plain", "big"));
  EXPECT_FALSE(all.loggers.at("a.b").propagate);
  EXPECT_EQ(all.loggers.at("").level, log_level::info);
}

TEST(log_config, names_line_column_and_choices_of_an_unknown_key) {
  EXPECT_EQ(error_of("handlers:\n  a:\n    class: file\n    filname: x\n"),
            "log.yaml:4:5: handlers.a: unknown key 'filname'; expected one of "
            "class, level, formatter, filename, mode");
  EXPECT_THAT(error_of("handler: {}\n"),
              StartsWith("log.yaml:1:1: unknown key 'handler'"));
}

TEST(log_config, names_line_column_and_choices_of_a_wrong_value) {
  EXPECT_EQ(error_of("root:\n  level: loud\n"),
            "log.yaml:2:10: root.level: 'loud' is unknown; expected one of "
            "trace, debug, info, warning, error, critical, off");
  EXPECT_THAT(error_of("queue: {bytes: many}\n"),
              StartsWith("log.yaml:1:16: queue.bytes: expected a whole number "
                         "from 65536"));
  EXPECT_THAT(error_of("queue: {wait_ms: -1}\n"), HasSubstr("from 0 to"));
  EXPECT_THAT(
    error_of("handlers: {a: {class: daily_file, filename: x, at: 9}}"),
    HasSubstr("handlers.a.at: expected a time of day"));
  EXPECT_THAT(error_of("handlers: [a]\n"), HasSubstr("expected keys and"));
  EXPECT_THAT(error_of("root: {handlers: a}\n"), HasSubstr("expected a list"));
}

TEST(log_config, names_what_is_missing) {
  EXPECT_THAT(error_of("handlers: {a: {level: info}}"),
              HasSubstr("handlers.a: needs a 'class'"));
  EXPECT_THAT(error_of("handlers: {a: {class: file}}"),
              HasSubstr("handlers.a: needs a 'filename'"));
  EXPECT_THAT(error_of("root: {handlers: [a]}"),
              HasSubstr("there is no handler 'a'"));
  EXPECT_THAT(error_of("handlers: {a: {class: console, formatter: f}}"),
              HasSubstr("there is no formatter 'f'"));
}

TEST(log_config, names_a_key_that_stands_twice) {
  EXPECT_THAT(error_of("root: {level: info, level: debug}"),
              HasSubstr("'level' stands here twice"));
}

TEST(log_config, names_line_and_column_where_the_text_is_no_yaml) {
  EXPECT_THAT(error_of("root: {level: info\nhandlers"),
              StartsWith("log.yaml:2:"));
}

TEST(log_config, has_two_ready_configurations) {
  EXPECT_EQ(log_config::load("development").loggers.at("").level,
            log_level::debug);
  EXPECT_EQ(log_config::load("production").loggers.at("").level,
            log_level::info);
}

TEST(log_config, names_a_file_that_cannot_be_read) {
  try {
    log_config::load("no/such.yaml");
    FAIL() << "expected an error";
  } catch (const puma::usage_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no/such.yaml"));
    EXPECT_THAT(error.what(), HasSubstr("No such file"));
    EXPECT_THAT(error.what(), HasSubstr("production"));
  }
}
