// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

namespace puma {

/// Severity of a log line.
enum class log_level : std::uint8_t {
  trace,
  debug,
  info,
  warning,
  error,
  critical,
  off, ///< Of no line; as a threshold it stops all.
};

[[nodiscard]] std::string_view to_string(log_level level) noexcept;

/// Writes one line to puma's log output, the one that all threads and processes
/// of an application share. `logger` is a dotted name, such as "app.input": its
/// level and handlers are those of the longest prefix that is configured; see
/// `puma/logging/logging.hpp`. Never throws.
///
/// In the process that owns the output, a line of `warning` or above has been
/// written when this returns; lines below are written soon, by a thread. In
/// worker processes lines are in memory that outlives the process when this
/// returns. An output that does not get on holds up the owner for 200 ms once;
/// when the queue is full, lines are dropped and counted.
///
/// *Threads.* May be called from any thread at any time; lines are not torn.
void log(log_level level, std::string_view logger, std::string_view text,
         std::source_location where = std::source_location::current()) noexcept;

/// Lines below `level` are skipped from now on, whatever their logger: the same
/// as `logging::override_level("", level)`.
void set_log_level(log_level level);

/// Returns whether a line of `level` of that logger would be written or
/// captured, for callers that build costly texts.
[[nodiscard]] bool logs(log_level level, std::string_view logger = {}) noexcept;

} // namespace puma
