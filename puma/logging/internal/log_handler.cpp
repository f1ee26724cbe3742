// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_handler.hpp"

#include "puma/base/error.hpp"
#include "puma/logging/internal/spdlog_level.hpp"

#include <spdlog/details/os.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/daily_file_sink.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/syslog_sink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// How long a line may wait for a console that takes nothing.
constexpr std::chrono::milliseconds console_patience{100};

/// What a console takes without blocking once it is said to be ready: a pipe
/// has room for so much, a terminal for less.
constexpr std::size_t pipe_step = PIPE_BUF;
constexpr std::size_t terminal_step = 256;

/// Between two tries to open a file that was lost.
constexpr std::chrono::seconds reopen_interval{1};

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

/// Writes to a terminal, pipe or file that others have opened, and may have
/// left unread: never waits for it longer than `console_patience`.
class console_sink final
  : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  console_sink(int descriptor, log_config::colors color)
    : descriptor_(descriptor),
      step_(::isatty(descriptor) != 0 ? terminal_step : pipe_step),
      has_color_(color == log_config::colors::always
                 || (color == log_config::colors::automatic
                     && ::isatty(descriptor) != 0
                     && spdlog::details::os::is_color_terminal())) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& x) override {
    x.color_range_start = 0;
    x.color_range_end = 0;
    spdlog::memory_buf_t text;
    formatter_->format(x, text);
    const std::string_view line{text.data(), text.size()};
    if (has_color_ && x.color_range_end > x.color_range_start) {
      const auto begin = x.color_range_start;
      const auto end = x.color_range_end;
      std::string colored{line.substr(0, begin)};
      colored.append(color_of(x.level)).append(line.substr(begin, end - begin));
      colored.append("\033[m").append(line.substr(end));
      write(colored);
    } else {
      write(line);
    }
  }

  void flush_() override {}

 private:
  static std::string_view color_of(spdlog::level::level_enum x) noexcept {
    constexpr std::array<std::string_view, 6> colors = {
      "\033[37m",        "\033[36m",        "\033[32m",
      "\033[33m\033[1m", "\033[31m\033[1m", "\033[1m\033[41m"};
    const auto i = static_cast<std::size_t>(x);
    return i < colors.size() ? colors[i] : std::string_view{};
  }

  void write(std::string_view text) {
    const auto until = std::chrono::steady_clock::now() + console_patience;
    if (is_torn_)
      write("\n", until);
    is_torn_ = false;
    write(text, until);
  }

  void write(std::string_view text,
             std::chrono::steady_clock::time_point until) {
    const auto size = text.size();
    while (!text.empty()) {
      try {
        wait(until);
        const auto n = ::write(descriptor_, text.data(),
                               std::min(text.size(), step_));
        if (n >= 0)
          text.remove_prefix(static_cast<std::size_t>(n));
        else if (errno != EINTR && errno != EAGAIN)
          throw std::runtime_error{std::strerror(errno)};
      } catch (...) {
        is_torn_ = is_torn_ || text.size() != size;
        throw;
      }
    }
  }

  /// Once it was waited for in vain, lines are lost until it takes them again:
  /// not every line is to wait.
  void wait(std::chrono::steady_clock::time_point until) {
    using namespace std::chrono;
    const auto left = ceil<milliseconds>(until - steady_clock::now());
    pollfd x{descriptor_, POLLOUT, 0};
    const int ready = ::poll(
      &x, 1, is_stuck_ ? 0 : static_cast<int>(std::max(left, 0ms).count()));
    if (ready < 0 && errno == EINTR)
      return; // the write may block once
    is_stuck_ = ready <= 0;
    if (is_stuck_)
      throw std::runtime_error{"takes no more"};
  }

  const int descriptor_;
  const std::size_t step_;
  const bool has_color_;
  bool is_stuck_ = false;
  bool is_torn_ = false; // ends within a line
};

std::shared_ptr<spdlog::sinks::sink>
make_sink(const log_config::handler& how,
          const spdlog::file_event_handlers& events) {
  namespace sinks = spdlog::sinks;
  switch (how.what) {
  case log_config::handler_class::console:
    break;
  case log_config::handler_class::file:
    return std::make_shared<sinks::basic_file_sink_st>(how.filename, false,
                                                       events);
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
  return std::make_shared<console_sink>(
    how.to_stdout ? STDOUT_FILENO : STDERR_FILENO, how.color);
}

std::int64_t size_of(std::FILE* file) noexcept {
  struct stat known {};
  if (!file || ::fstat(::fileno(file), &known) != 0 || !S_ISREG(known.st_mode))
    return -1;
  return known.st_size;
}

} // namespace

log_handler::log_handler(std::string name, const log_config::handler& how)
  : how_(how) {
  stats_ = {std::move(name), 0, 0, {}};
  try {
    open();
  } catch (const spdlog::spdlog_ex& error) {
    throw usage_error{"log handler '" + stats_.name + "': " + error.what()};
  }
}

log_handler::~log_handler() {
  flush();
  sink_.reset(); // its events use members
}

void log_handler::open() {
  spdlog::file_event_handlers events;
  events.after_open = [this](const spdlog::filename_t&, std::FILE* opened) {
    file_ = opened;
    good_size_ = size_of(file_);
    unflushed_ = 0; // what came before has been closed, and so flushed
  };
  events.before_close = [this](const spdlog::filename_t&, std::FILE*) {
    file_ = nullptr;
  };
  sink_.reset(); // whose events would come later
  file_ = nullptr;
  sink_ = make_sink(how_, events);
  sink_->set_formatter(make_formatter(how_.pattern));
}

void log_handler::begin() noexcept {
  if (how_.truncate && file_ && ::ftruncate(::fileno(file_), 0) == 0)
    good_size_ = 0;
}

bool log_handler::is_file() const noexcept {
  return how_.what != log_config::handler_class::console
         && how_.what != log_config::handler_class::syslog;
}

void log_handler::write(const log_record& x, const std::string& host) noexcept {
  try {
    // A rotation that failed has closed the file, which the sink of spdlog
    // would not notice.
    if (!sink_ || (is_file() && !file_)) {
      const auto now = clock::now();
      if (now < next_reopening_) {
        ++stats_.lost;
        return;
      }
      next_reopening_ = now + reopen_interval;
      open();
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
    unflushed_ += is_file() ? 1 : 0;
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
    // Not if others have made it shorter meanwhile.
    if (good_size_ >= 0 && size_of(file_) > good_size_)
      static_cast<void>(!::ftruncate(::fileno(file_), good_size_));
  }
  try {
    stats_.last_error = why;
    const auto now = clock::now();
    const bool is_errors = how_.what == log_config::handler_class::console
                           && !how_.to_stdout;
    pollfd errors{STDERR_FILENO, POLLOUT, 0};
    if (now < next_complaint_ || is_errors || ::poll(&errors, 1, 0) <= 0)
      return;
    next_complaint_ = now + complaint_interval;
    const auto text = "puma: log handler '" + stats_.name
                      + "': " + stats_.last_error + "; "
                      + std::to_string(stats_.lost) + " lines lost so far\n";
    static_cast<void>(
      !::write(STDERR_FILENO, text.data(), std::min(text.size(), pipe_step)));
  } catch (...) {
    // The counts tell.
  }
}

} // namespace puma::internal
