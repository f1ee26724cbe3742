// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <fmt/core.h>

#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace puma::logging {

namespace detail {

class channel;

/// A format string that remembers where it stands. The compiler checks it
/// against the arguments.
template <class... Args>
struct located_format {
  template <class S>
    requires std::is_convertible_v<const S&, std::string_view>
  consteval located_format(
    const S& s, std::source_location w = std::source_location::current())
    : text(s),
      where(w) {}

  fmt::format_string<Args...> text;
  std::source_location where;
};

template <class... Args>
using format_for = located_format<std::type_identity_t<Args>...>;

} // namespace detail

/// Writes lines under one name. Texts are format strings of {fmt}, which are
/// checked when they are compiled: `log.info("{} of {}", i, n)`. A line that is
/// not to be written costs two loads; its arguments are evaluated, but not
/// formatted.
///
/// *Threads.* May be called from any thread; copies are cheap and stand for the
/// same logger.
///
/// *Failure.* Nothing here throws. Where a formatter of an argument does, the
/// line says so instead.
class logger {
 public:
  explicit logger(std::string name);

  [[nodiscard]] const std::string& name() const noexcept;

  /// Returns whether a line of `level` would be written or captured.
  [[nodiscard]] bool logs(log_level level) const noexcept;

  /// Writes `text` as it is.
  void write(log_level level, std::string_view text,
             std::source_location where = std::source_location::current())
    const noexcept;

  template <class... Args>
  void log(log_level level, detail::format_for<Args...> text,
           const Args&... args) const noexcept {
    if (logs(level))
      format(level, text.where, text.text, fmt::make_format_args(args...));
  }

  template <class... Args>
  void trace(detail::format_for<Args...> text,
             const Args&... args) const noexcept {
    log<Args...>(log_level::trace, text, args...);
  }

  template <class... Args>
  void debug(detail::format_for<Args...> text,
             const Args&... args) const noexcept {
    log<Args...>(log_level::debug, text, args...);
  }

  template <class... Args>
  void info(detail::format_for<Args...> text,
            const Args&... args) const noexcept {
    log<Args...>(log_level::info, text, args...);
  }

  template <class... Args>
  void warning(detail::format_for<Args...> text,
               const Args&... args) const noexcept {
    log<Args...>(log_level::warning, text, args...);
  }

  template <class... Args>
  void error(detail::format_for<Args...> text,
             const Args&... args) const noexcept {
    log<Args...>(log_level::error, text, args...);
  }

  template <class... Args>
  void critical(detail::format_for<Args...> text,
                const Args&... args) const noexcept {
    log<Args...>(log_level::critical, text, args...);
  }

 private:
  void format(log_level level, const std::source_location& where,
              fmt::string_view text, fmt::format_args args) const noexcept;

  std::shared_ptr<detail::channel> channel_;
};

/// Returns the logger of that name: dotted, such as "app.input". Its level and
/// handlers are those of the longest prefix that is configured. Names are not
/// registered; loggers of one name are alike.
[[nodiscard]] logger get(std::string name);

} // namespace puma::logging
