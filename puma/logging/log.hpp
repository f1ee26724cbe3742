// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <string_view>

namespace puma {

/// Severity of a log line.
enum class log_level { debug, info, warning, error, off };

[[nodiscard]] std::string_view to_string(log_level level) noexcept;

/// Writes one line to puma's log output: time, level, process, thread, logger
/// and text. Never throws; of lines that cannot be written spdlog reports some
/// on the standard error.
///
/// *Threads.* May be called from any thread at any time; lines are not torn.
void log(log_level level, std::string_view logger, std::string_view text);

/// Lines below `level` are skipped from now on. The default is `warning`.
void set_log_level(log_level level) noexcept;

/// Returns whether a line of `level` would be written or captured, for callers
/// that build costly texts.
[[nodiscard]] bool logs(log_level level) noexcept;

/// Receives every line in place of the output. Returns the sink that was
/// installed before; an empty one stands for the normal output.
using log_sink = std::function<void(log_level level, std::string_view logger,
                                    std::string_view text)>;
log_sink exchange_log_sink(log_sink sink);

} // namespace puma
