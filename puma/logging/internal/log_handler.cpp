// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_handler.hpp"

#include "puma/base/error.hpp"
#include "puma/logging/internal/spdlog_level.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/daily_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/syslog_sink.h>

#include <algorithm>
#include <utility>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// How long a line may wait for a console that takes nothing.
constexpr int console_patience_ms = 100;

constexpr std::chrono::seconds complaint_interval{10};

/// What the flags below show. Only one thread at a time writes lines, but tests
/// may have several outputs.
struct shown_line {
  const log_record* record = nullptr;
  const std::string* host = nullptr;
};

shown_line& shown() noexcept {
  thread_local shown_line instance;
  return instance;
}

/// A flag of a format that spdlog does not have.
template <class F>
class line_flag final : public spdlog::custom_flag_formatter {
 public:
  explicit line_flag(F show) : show_(std::move(show)) {}

  void format(const spdlog::details::log_msg&, const std::tm&,
              spdlog::memory_buf_t& to) override {
    if (shown().record)
      show_(*shown().record, to);
  }

  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<line_flag>(show_);
  }

 private:
  F show_;
};

void append(spdlog::memory_buf_t& to, std::string_view text) {
  to.append(text.data(), text.data() + text.size());
}

void append(spdlog::memory_buf_t& to, std::uint64_t number) {
  const fmt::format_int text{number};
  to.append(text.data(), text.data() + text.size());
}

std::unique_ptr<spdlog::formatter> make_formatter(const std::string& pattern) {
  auto result = std::make_unique<spdlog::pattern_formatter>();
  const auto add = [&](char flag, auto show) {
    using F = decltype(show);
    result->add_flag<line_flag<F>>(flag, std::move(show));
  };
  add('K', [](const log_record&, auto& to) {
    if (shown().host)
      append(to, *shown().host);
  });
  add('N', [](const log_record& x, auto& to) { append(to, x.process); });
  add('P', [](const log_record& x, auto& to) {
    append(to, std::uint64_t{x.process_id});
  });
  add('q', [](const log_record& x, auto& to) { append(to, x.sequence); });
  add('j', [](const log_record& x, auto& to) {
    if (x.file.empty())
      return;
    append(to, " ");
    append(to, x.file);
    append(to, ":");
    append(to, std::uint64_t{x.line});
  });
  result->set_pattern(pattern);
  return result;
}

spdlog::color_mode color_of(log_config::colors x) {
  switch (x) {
  case log_config::colors::always:
    return spdlog::color_mode::always;
  case log_config::colors::never:
    return spdlog::color_mode::never;
  case log_config::colors::automatic:
    break;
  }
  return spdlog::color_mode::automatic;
}

std::shared_ptr<spdlog::sinks::sink>
make_sink(const log_config::handler& how,
          const spdlog::file_event_handlers& events) {
  namespace sinks = spdlog::sinks;
  switch (how.what) {
  case log_config::handler_class::console:
    break;
  case log_config::handler_class::file:
    return std::make_shared<sinks::basic_file_sink_st>(how.filename,
                                                       how.truncate, events);
  case log_config::handler_class::rotating_file:
    return std::make_shared<sinks::rotating_file_sink_st>(
      how.filename, how.max_bytes, how.backup_count, false, events);
  case log_config::handler_class::daily_file:
    return std::make_shared<sinks::daily_file_sink_st>(
      how.filename, how.hour, how.minute, false,
      static_cast<std::uint16_t>(
        std::min<std::size_t>(how.backup_count, 65'535)),
      events);
  case log_config::handler_class::syslog:
    return std::make_shared<sinks::syslog_sink_st>(how.ident, LOG_PID,
                                                   how.facility, true);
  }
  const auto color = color_of(how.color);
  if (how.to_stdout)
    return std::make_shared<sinks::ansicolor_stdout_sink_st>(color);
  return std::make_shared<sinks::ansicolor_stderr_sink_st>(color);
}

std::int64_t size_of(std::FILE* file) noexcept {
  struct stat known {};
  if (!file || ::fstat(::fileno(file), &known) != 0 || !S_ISREG(known.st_mode))
    return -1;
  return known.st_size;
}

} // namespace

log_handler::log_handler(std::string name, const log_config::handler& how)
  : level_(how.level) {
  stats_ = {std::move(name), 0, 0, {}};
  spdlog::file_event_handlers events;
  events.after_open = [this](const spdlog::filename_t&, std::FILE* opened) {
    file_ = opened;
    good_size_ = size_of(file_);
    unflushed_ = 0; // what came before has been closed, and so flushed
  };
  events.before_close = [this](const spdlog::filename_t&, std::FILE*) {
    file_ = nullptr;
  };
  try {
    sink_ = make_sink(how, events);
  } catch (const spdlog::spdlog_ex& error) {
    throw usage_error{"log handler '" + stats_.name + "': " + error.what()};
  }
  sink_->set_formatter(make_formatter(how.pattern));
  if (how.what == log_config::handler_class::console)
    watched_ = how.to_stdout ? STDOUT_FILENO : STDERR_FILENO;
}

log_handler::~log_handler() {
  flush();
  sink_.reset(); // its events use members
}

bool log_handler::can_write() noexcept {
  if (watched_ < 0)
    return true;
  // A terminal or pipe that nobody reads must not hold everything up: once it
  // was waited for in vain, lines are lost until it takes them again.
  pollfd x{watched_, POLLOUT, 0};
  const int ready = ::poll(&x, 1, is_stuck_ ? 0 : console_patience_ms);
  is_stuck_ = ready == 0;
  return ready > 0 && (x.revents & POLLERR) == 0;
}

void log_handler::write(const log_record& x, const std::string& host) noexcept {
  try {
    if (!can_write()) {
      ++stats_.lost;
      stats_.last_error = "takes no more";
      return;
    }
    spdlog::details::log_msg message{
      spdlog::log_clock::time_point{
        std::chrono::duration_cast<spdlog::log_clock::duration>(
          std::chrono::nanoseconds{x.time})},
      spdlog::source_loc{},
      spdlog::string_view_t{x.logger.data(), x.logger.size()},
      to_spdlog(x.level), spdlog::string_view_t{x.text.data(), x.text.size()}};
    message.thread_id = x.thread_id;
    shown() = {&x, &host};
    sink_->log(message);
    shown() = {};
    ++stats_.written;
    ++unflushed_;
    if (watched_ >= 0)
      unflushed_ = 0;
  } catch (const std::exception& error) {
    shown() = {};
    ++stats_.lost;
    fail(error.what());
  }
}

void log_handler::flush() noexcept {
  if (unflushed_ == 0)
    return;
  try {
    sink_->flush();
    unflushed_ = 0;
    good_size_ = size_of(file_);
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void log_handler::fail(const char* why) noexcept {
  // What was written since the last flush may be there in part: no half lines.
  stats_.lost += unflushed_;
  stats_.written -= unflushed_;
  unflushed_ = 0;
  if (file_) {
    std::clearerr(file_);
    if (good_size_ >= 0)
      static_cast<void>(!::ftruncate(::fileno(file_), good_size_));
  }
  try {
    stats_.last_error = why;
    const auto now = clock::now();
    if (now < next_complaint_ || watched_ == STDERR_FILENO)
      return;
    next_complaint_ = now + complaint_interval;
    const auto text = "puma: log handler '" + stats_.name
                      + "': " + stats_.last_error + "; "
                      + std::to_string(stats_.lost) + " lines lost so far\n";
    static_cast<void>(!::write(STDERR_FILENO, text.data(), text.size()));
  } catch (...) {
    // The counts tell.
  }
}

} // namespace puma::internal
