// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"
#include "puma/logging/logger.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The log output of an application: one for all its threads and processes. The
/// process that owns the runtime writes; worker processes filter their lines
/// and leave them in shared memory, from where the owner takes them.
///
/// *Threads.* All functions may be called from any thread at any time; but for
/// `flush`, they throw `timeout_error` when a handler holds up the output for
/// five seconds. Those that change the configuration are for the process that
/// owns the runtime, and hold for worker processes at once; in a worker they
/// throw `usage_error`.
namespace puma::logging {

/// A configuration as YAML text.
struct yaml {
  std::string text;
};

/// Sets levels and handlers, and takes back overrides. What was logged before
/// goes to the handlers of before. See `docs/logging.md` for the keys.
///
/// `source` is the name of a ready configuration (`development` or
/// `production`) or of a file. Throws `usage_error`, with the line and column
/// and what was expected, when the text is wrong or a log file cannot be
/// opened; then everything stays as it was.
void configure(std::string_view source);

void configure(const yaml& text);

/// Back to the defaults: warnings and errors, and what worker processes print,
/// on the standard error.
void reset();

/// Sets the level of all loggers whose name is `prefix`, or begins with
/// `prefix` and a dot, in place of what is configured; with an empty prefix of
/// all loggers. A longer prefix outranks a shorter one. Handlers with levels of
/// their own still filter.
void override_level(std::string_view prefix, log_level level);

/// Takes back all overrides.
void reset_levels();

/// Writes everything that has been logged so far by this process and its
/// workers.
void flush() noexcept;

/// What has become of the lines so far.
struct statistics {
  struct handler {
    std::string name;
    std::uint64_t written; ///< Lines, of this configuration.
    std::uint64_t lost;    ///< Lines that could not be written.
    std::string last_error;
  };

  std::uint64_t lines = 0;   ///< That came to the output.
  std::uint64_t dropped = 0; ///< Because a queue was full.
  std::vector<handler> handlers;
};

[[nodiscard]] statistics stats();

} // namespace puma::logging
