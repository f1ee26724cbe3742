// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/logging/logging.hpp"
#include "tests/support/log_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using puma::log_level;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

namespace {

/// What was said to the system's log, which these functions stand in for.
struct system_log {
  std::string ident;
  int facility = 0;
  int priority = 0;
  std::string text;
};

system_log& the_system_log() {
  static system_log instance;
  return instance;
}

} // namespace

extern "C" void openlog(const char* ident, int, int facility) {
  the_system_log().ident = ident;
  the_system_log().facility = facility;
}

extern "C" void syslog(int priority, const char* format, ...) {
  std::array<char, 1'000> text{};
  va_list values;
  va_start(values, format);
  std::vsnprintf(text.data(), text.size(), format, values);
  va_end(values);
  the_system_log().priority = priority;
  the_system_log().text = text.data();
}

namespace {

class log_handler : public ::testing::Test {
 protected:
  puma_test::log_directory files;

  ~log_handler() override { puma::logging::reset(); }

  static puma::logging::statistics::handler handler() {
    return puma::logging::stats().handlers.at(0);
  }

  /// Logs, and waits until it is written, which `puma::log` does only if no
  /// other thread is just writing.
  static void log(log_level level, const std::string& text) {
    puma::log(level, "a", text);
    puma::logging::flush();
  }
};

} // namespace

TEST_F(log_handler, writes_to_a_file) {
  files.configure("{class: file, filename: FILE, formatter: short}");

  log(log_level::info, "one");
  log(log_level::error, "two");

  EXPECT_THAT(files.lines(), ElementsAre("a one", "a two"));
  EXPECT_EQ(handler().written, 2u);
}

TEST_F(log_handler, appends_unless_told_to_truncate) {
  files.configure("{class: file, filename: FILE, formatter: short}");
  log(log_level::error, "one");
  files.configure("{class: file, filename: FILE, formatter: short}");
  log(log_level::error, "two");
  EXPECT_THAT(files.lines(), SizeIs(2));

  files.configure(
    "{class: file, filename: FILE, formatter: short, mode: truncate}");
  log(log_level::error, "three");

  EXPECT_THAT(files.lines(), ElementsAre("a three"));
}

TEST_F(log_handler, filters_by_its_own_level) {
  files.configure(
    "{class: file, filename: FILE, formatter: short, level: error}");

  log(log_level::warning, "one");
  log(log_level::error, "two");

  EXPECT_THAT(files.lines(), ElementsAre("a two"));
}

TEST_F(log_handler, gets_lines_of_loggers_that_name_it_and_of_those_below) {
  puma::logging::configure(
    puma::logging::yaml{
      "formatters: {short: {format: '%n %v'}}\n"
      "handlers:\n"
      "  all: {class: file, formatter: short, filename: "
      + files.file()
      + ".all}\n  app: {class: file, formatter: short, filename: "
      + files.file()
      + ".app}\n  own: {class: file, formatter: short, filename: "
      + files.file()
      + ".own}\n"
        "loggers:\n"
        "  app: {handlers: [app]}\n"
        "  app.own: {handlers: [own], propagate: false}\n"
        "root: {handlers: [all]}\n"});

  for (const auto* name : {"x", "app", "app.input", "app.own"})
    puma::log(log_level::error, name, "text");
  puma::logging::flush();

  using puma_test::log_directory;
  EXPECT_THAT(log_directory::lines_of(files.file() + ".all"),
              ElementsAre("x text", "app text", "app.input text"));
  EXPECT_THAT(log_directory::lines_of(files.file() + ".app"),
              ElementsAre("app text", "app.input text"));
  EXPECT_THAT(log_directory::lines_of(files.file() + ".own"),
              ElementsAre("app.own text"));
}

TEST_F(log_handler, names_a_file_that_cannot_be_opened_and_changes_nothing) {
  files.configure("{class: file, filename: FILE, formatter: short}");

  EXPECT_THAT(
    [] {
      puma::logging::configure(puma::logging::yaml{
        "handlers: {bad: {class: file, filename: /proc/no/such.log}}"});
    },
    ThrowsMessage<puma::usage_error>(::testing::AllOf(
      HasSubstr("log handler 'bad'"), HasSubstr("/proc/no/such.log"),
      HasSubstr("No such file"))));

  log(log_level::error, "still here");
  EXPECT_THAT(files.lines(), ElementsAre("a still here"));
}

TEST_F(log_handler, counts_lines_that_a_full_disk_does_not_take) {
  files.configure("{class: file, filename: /dev/full}");

  ::testing::internal::CaptureStderr();
  EXPECT_NO_THROW(log(log_level::error, "one"));
  EXPECT_NO_THROW(log(log_level::error, "two"));
  const auto said = ::testing::internal::GetCapturedStderr();

  EXPECT_EQ(handler().written, 0u);
  EXPECT_EQ(handler().lost, 2u);
  EXPECT_THAT(handler().last_error, HasSubstr("No space left"));
  EXPECT_THAT(said, HasSubstr("log handler 'it'"));
  EXPECT_THAT(said, HasSubstr("No space left"));
}

TEST_F(log_handler, leaves_no_half_lines_when_the_disk_is_full) {
  files.configure("{class: file, filename: FILE, formatter: short}");
  const std::string text(100, 'x');
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit usual{};
  ::getrlimit(RLIMIT_FSIZE, &usual);

  log(log_level::error, text);
  auto limit = usual;
  limit.rlim_cur = 1'000;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::testing::internal::CaptureStderr();
  for (int i = 0; i != 20; ++i)
    log(log_level::error, text);
  ::setrlimit(RLIMIT_FSIZE, &usual);
  log(log_level::error, text);
  ::testing::internal::GetCapturedStderr();
  std::signal(SIGXFSZ, before);

  const auto lines = files.lines();
  EXPECT_THAT(lines, Each("a " + text));
  EXPECT_EQ(handler().written, lines.size());
  EXPECT_EQ(handler().written + handler().lost, 22u);
  EXPECT_GT(handler().lost, 0u);
}

namespace {

/// A pipe in place of the standard error, that nobody reads until told.
class unread_errors {
 public:
  unread_errors() : usual_(::dup(STDERR_FILENO)) {
    EXPECT_EQ(::pipe(ends_), 0);
    ::dup2(ends_[1], STDERR_FILENO);
  }

  unread_errors(const unread_errors&) = delete;
  unread_errors& operator=(const unread_errors&) = delete;

  ~unread_errors() {
    ::dup2(usual_, STDERR_FILENO);
    for (const int x : {usual_, ends_[0], ends_[1]})
      ::close(x);
  }

  /// Reads what is there.
  std::string read() {
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string result;
    char some[4'096];
    for (;;) {
      const auto n = ::read(ends_[0], some, sizeof(some));
      if (n <= 0)
        return result;
      result.append(some, static_cast<std::size_t>(n));
    }
  }

 private:
  int usual_;
  int ends_[2] = {-1, -1};
};

} // namespace

TEST_F(log_handler, is_not_held_up_by_a_console_that_nobody_reads) {
  for (const std::size_t size : {1'000u, 10'000u}) {
    unread_errors errors;
    files.configure("{class: console}");

    const auto begin = std::chrono::steady_clock::now();
    const std::string text(size, 'x');
    for (int i = 0; i != 200; ++i)
      log(log_level::error, text);
    const auto end = std::chrono::steady_clock::now();
    const auto counts = handler();

    EXPECT_LT(end - begin, std::chrono::seconds{10});
    EXPECT_GT(counts.written, 30'000u / size);
    EXPECT_GT(counts.lost, 50u);
    EXPECT_EQ(counts.written + counts.lost, 200u);
  }
}

TEST_F(log_handler, begins_a_new_line_after_one_that_a_console_took_in_part) {
  unread_errors errors;
  files.configure("{class: console, formatter: short}");
  const std::string text(10'000, 'x');
  for (int i = 0; i != 10; ++i)
    log(log_level::error, text);

  const auto before = errors.read();
  log(log_level::error, "again");
  const auto after = errors.read();

  EXPECT_NE(before.back(), '\n');
  EXPECT_EQ(after, "\na again\n");
}

TEST_F(log_handler, goes_on_after_its_file_could_not_be_opened_again) {
  namespace fs = std::filesystem;
  files.configure(
    "{class: rotating_file, filename: FILE, formatter: short, "
    "max_bytes: 100, backup_count: 2}");
  const std::string text(60, 'x');
  log(log_level::error, text);
  const auto& place = files.directory();
  const fs::path aside{place.string() + ".aside"};
  fs::rename(place, aside);
  std::ofstream{place} << "no directory";

  for (int i = 0; i != 5; ++i) // the first one makes it rotate
    log(log_level::error, text);
  EXPECT_EQ(handler().lost, 5u);
  log(log_level::error, "short");
  EXPECT_EQ(handler().lost, 6u);
  fs::remove(place);
  fs::rename(aside, place);

  const auto deadline = std::chrono::steady_clock::now()
                        + std::chrono::seconds{10};
  while (handler().written < 2 && std::chrono::steady_clock::now() < deadline) {
    log(log_level::error, "late");
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  EXPECT_EQ(handler().written, 2u);
}

TEST_F(log_handler, rotates_by_size_under_load_and_loses_nothing) {
  constexpr int threads = 4;
  constexpr int count = 1'000;
  files.configure(
    "{class: rotating_file, filename: FILE, formatter: short, "
    "max_bytes: 10000, backup_count: 100}");

  std::vector<std::thread> all;
  for (int i = 0; i != threads; ++i)
    all.emplace_back([i] {
      const auto logger = puma::logging::get("t" + std::to_string(i));
      for (int j = 0; j != count; ++j)
        logger.info("{}", j);
    });
  for (auto& x : all)
    x.join();
  puma::logging::flush();

  std::map<std::string, int> seen;
  for (auto& file : files.files()) {
    EXPECT_LE(std::filesystem::file_size(file), 10'000u);
    for (auto& text : puma_test::log_directory::lines_of(file))
      ++seen[text];
  }
  EXPECT_GT(files.files().size(), 2u);
  EXPECT_THAT(seen, SizeIs(threads * count));
  for (auto& [text, times] : seen)
    EXPECT_EQ(times, 1) << text;
}

TEST_F(log_handler, keeps_as_many_files_as_told) {
  files.configure(
    "{class: rotating_file, filename: FILE, formatter: short, "
    "max_bytes: 100, backup_count: 2}");

  for (int i = 0; i != 100; ++i)
    log(log_level::error, "text of some length");

  EXPECT_THAT(files.files(), SizeIs(3));
}

TEST_F(log_handler, writes_to_a_file_per_day) {
  files.configure(
    "{class: daily_file, filename: FILE, formatter: short, "
    "at: '00:00', backup_count: 2}");

  log(log_level::error, "text");

  ASSERT_THAT(files.files(), SizeIs(1));
  EXPECT_THAT(files.files()[0].filename().string(),
              ::testing::MatchesRegex("test_[0-9]{4}-[0-9]{2}-[0-9]{2}.log"));
}

TEST_F(log_handler, writes_to_the_system_log) {
  constexpr int local3 = 19 << 3;
  constexpr int error = 3;
  files.configure("{class: syslog, ident: app, facility: local3}");

  log(log_level::error, "text");

  EXPECT_EQ(the_system_log().ident, "app");
  EXPECT_EQ(the_system_log().facility, local3);
  EXPECT_EQ(the_system_log().priority & 7, error);
  EXPECT_THAT(the_system_log().text,
              ::testing::MatchesRegex("\\[.*\\] a log_.*: text\n"));
}

TEST_F(log_handler, colors_levels_if_told) {
  ::testing::internal::CaptureStderr();
  files.configure("{class: console, color: always}");
  log(log_level::error, "text");

  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("\033["));
}

TEST_F(log_handler, does_not_color_what_is_no_terminal) {
  ::testing::internal::CaptureStderr();
  files.configure("{class: console}");
  log(log_level::error, "text");

  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::Not(HasSubstr("\033[")));
}
