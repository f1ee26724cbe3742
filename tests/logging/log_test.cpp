// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/log.hpp"

#include "puma/logging/logging.hpp"
#include "puma/testing/capture_logs.hpp"
#include "puma/testing/log_assertions.hpp"
#include "tests/support/forks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace std::string_view_literals;
using puma::log_level;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

namespace {

using captured_line = puma::testing::capture_logs::line;

/// Leaves the output as it was.
class log : public ::testing::Test {
 protected:
  ~log() override { puma::logging::reset(); }

  template <class F>
  static std::string written_by(F f) {
    ::testing::internal::CaptureStderr();
    f();
    puma::logging::flush();
    return ::testing::internal::GetCapturedStderr();
  }
};

} // namespace

TEST_F(log, names_its_levels) {
  EXPECT_EQ(puma::to_string(log_level::trace), "trace");
  EXPECT_EQ(puma::to_string(log_level::debug), "debug");
  EXPECT_EQ(puma::to_string(log_level::info), "info");
  EXPECT_EQ(puma::to_string(log_level::warning), "warning");
  EXPECT_EQ(puma::to_string(log_level::error), "error");
  EXPECT_EQ(puma::to_string(log_level::critical), "critical");
  EXPECT_EQ(puma::to_string(log_level::off), "off");
}

TEST_F(log, writes_from_the_set_level_on) {
  puma::set_log_level(log_level::error);

  EXPECT_FALSE(puma::logs(log_level::warning));
  EXPECT_TRUE(puma::logs(log_level::error));
  EXPECT_FALSE(puma::logs(log_level::off));

  puma::logging::reset_levels();
  EXPECT_TRUE(puma::logs(log_level::warning));
  EXPECT_FALSE(puma::logs(log_level::info));
}

TEST_F(log, writes_time_level_host_process_thread_logger_place_and_text) {
  const auto text = written_by(
    [] { puma::log(log_level::warning, "some.logger", "some text"); });

  const auto pid = std::to_string(::getpid());
  EXPECT_THAT(
    text,
    MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\\.[0-9]{6} warning "
                 "\\[[^/]+/[^/]*:"
                 + pid + "/" + pid
                 + "\\] some\\.logger log_test\\.cpp:[0-9]+: some text\n"));
}

TEST_F(log, writes_warnings_before_it_returns) {
  ::testing::internal::CaptureStderr();

  puma::log(log_level::warning, "a", "seen at once");

  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("seen at once"));
}

TEST_F(log, writes_lines_below_warnings_soon) {
  puma::set_log_level(log_level::info);
  const auto before = puma::logging::stats().lines;
  ::testing::internal::CaptureStderr();

  puma::log(log_level::info, "a", "seen soon");
  for (int i = 0; i != 5'000 && puma::logging::stats().lines == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});

  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("seen soon"));
}

TEST_F(log, is_in_order_however_lines_get_there) {
  puma::set_log_level(log_level::info);

  const auto text = written_by([] {
    puma::log(log_level::info, "a", "first");
    puma::log(log_level::warning, "b", "second");
    puma::log(log_level::info, "a", "third");
  });

  EXPECT_THAT(text, HasSubstr("first"));
  EXPECT_LT(text.find("first"), text.find("second"));
  EXPECT_LT(text.find("second"), text.find("third"));
}

TEST_F(log, formats_texts_of_loggers) {
  puma::testing::capture_logs logs;

  puma::logging::get("a.b").info("{} of {:.1f}", 1, 2.5);

  EXPECT_THAT(logs.lines(),
              ElementsAre(AllOf(Field(&captured_line::text, "1 of 2.5"),
                                Field(&captured_line::logger, "a.b"),
                                Field(&captured_line::level, log_level::info),
                                Field(&captured_line::file, "log_test.cpp"))));
}

namespace {

struct thrower {};

} // namespace

template <>
struct fmt::formatter<thrower> {
  template <class C>
  constexpr auto parse(C& context) {
    return context.begin();
  }
  template <class C>
  auto format(const thrower&, C& context) const -> decltype(context.out()) {
    throw std::runtime_error{"no text"};
  }
};

TEST_F(log, says_which_text_could_not_be_formatted) {
  puma::testing::capture_logs logs;

  EXPECT_NO_THROW(puma::logging::get("a").info("value {}", thrower{}));

  EXPECT_THAT(logs.to_string(), HasSubstr("[not formatted: no text]"));
}

TEST_F(log, has_levels_by_dotted_prefix) {
  puma::logging::configure(puma::logging::yaml{R"(
handlers:
  console: {class: console}
loggers:
  app: {level: error}
  app.input: {level: debug}
root: {level: info, handlers: [console]}
)"});

  EXPECT_TRUE(puma::logs(log_level::info, "other"));
  EXPECT_FALSE(puma::logs(log_level::warning, "app"));
  EXPECT_FALSE(puma::logs(log_level::warning, "app.output"));
  EXPECT_TRUE(puma::logs(log_level::debug, "app.input"));
  EXPECT_TRUE(puma::logs(log_level::debug, "app.input.file"));
  EXPECT_FALSE(puma::logs(log_level::debug, "app.inputs"));
}

TEST_F(log, is_not_written_where_no_handler_takes_it) {
  puma::logging::configure(puma::logging::yaml{R"(
handlers:
  console: {class: console, level: error}
root: {level: info, handlers: [console]}
)"});

  EXPECT_FALSE(puma::logs(log_level::warning, "a"));
  EXPECT_TRUE(puma::logs(log_level::error, "a"));
}

TEST_F(log, overrides_levels_by_prefix_until_they_are_reset) {
  puma::logging::override_level("", log_level::off);
  puma::logging::override_level("app", log_level::debug);

  const auto logger = puma::logging::get("app.input");
  EXPECT_TRUE(logger.logs(log_level::debug));
  EXPECT_FALSE(puma::logs(log_level::critical, "other"));

  puma::logging::reset_levels();
  EXPECT_FALSE(logger.logs(log_level::info));
  EXPECT_TRUE(puma::logs(log_level::warning, "other"));
}

TEST_F(log, takes_plain_lines_of_spdlog) {
  puma::logging::configure("development");
  puma::testing::capture_logs logs;

  spdlog::warn("plain {}", 1);

  EXPECT_THAT(
    logs.lines({.text = "plain 1"}),
    ElementsAre(AllOf(Field(&captured_line::level, log_level::warning),
                      Field(&captured_line::logger, "spdlog"))));
}

TEST_F(log, takes_lines_of_forked_processes) {
  if (!puma_test::forks_may_allocate)
    GTEST_SKIP() << "the memory of a forked process may be locked";
  puma::testing::capture_logs logs;

  const auto child = ::fork();
  if (child == 0) {
    puma::log(log_level::warning, "forked", "from a child");
    std::_Exit(0);
  }
  ::waitpid(child, nullptr, 0);

  const auto lines = logs.lines({.text = "from a child"});
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].process_id, static_cast<std::uint32_t>(child));
  EXPECT_EQ(lines[0].thread_id, static_cast<std::uint32_t>(child));
}

TEST_F(log, keeps_lines_of_many_threads_whole_and_each_threads_in_order) {
  constexpr int count = 2'000;
  puma::testing::capture_logs logs;

  std::vector<std::thread> threads;
  for (int i = 0; i != 4; ++i)
    threads.emplace_back([i] {
      const auto logger = puma::logging::get("thread." + std::to_string(i));
      for (int j = 0; j != count; ++j)
        logger.info("line {}", j);
    });
  for (auto& x : threads)
    x.join();

  for (int i = 0; i != 4; ++i) {
    const auto name = "thread." + std::to_string(i);
    const auto lines = logs.lines({.logger = name});
    ASSERT_THAT(lines, SizeIs(count));
    for (int j = 0; j != count; ++j)
      EXPECT_EQ(lines[static_cast<std::size_t>(j)].text,
                "line " + std::to_string(j));
  }
}

TEST_F(log, tells_tests_of_warnings_and_errors) {
  puma::testing::capture_logs logs;
  puma::log(log_level::info, "a", "harmless");
  puma::testing::assert_no_warnings_or_errors(logs);

  puma::log(log_level::warning, "a", "suspicious");

  EXPECT_NONFATAL_FAILURE(puma::testing::assert_no_warnings_or_errors(logs),
                          "suspicious");
}
