// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/options.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace puma {

/// How long each step of `runtime::shutdown` may take. The next one is taken
/// only when it is needed.
struct shutdown_options {
  /// Sources are not asked again, plain-thread publishers get `closed`, and
  /// values flow out.
  std::chrono::milliseconds drain{10'000};

  /// Everything ends after the value in hand; hooks that wait are woken.
  std::chrono::milliseconds stop{5'000};

  /// Streams that are still open fail with `shutdown_aborted`, so that nobody
  /// waits for those who do not answer. Where the queue of a stream is in a
  /// worker process, it fails with that, in the next step.
  std::chrono::milliseconds abort{1'000};

  /// Worker processes that still run something are ended by a signal. Threads
  /// cannot be: what does not answer there is left behind.
  std::chrono::milliseconds kill{2'000};
};

/// What a shutdown came to.
struct shutdown_report {
  /// How far it had to go.
  enum class step { drain, stop, abort, kill };

  /// How a runnable ended.
  enum class ending {
    completed, ///< By itself, with its streams.
    stopped,   ///< Because it was told to.
    failed,    ///< With an error.
    killed,    ///< With its process.
    hung,      ///< Not at all: it does not answer.
  };

  /// A runnable that was alive when the shutdown began, or started later.
  struct runnable_end {
    std::string name;
    ending how = ending::completed;
    std::string activity; ///< The hook it was in, if it hung or was killed.
    std::string error;    ///< What it failed with, otherwise empty.
  };

  /// What became of the values of a buffer, over its whole life: `accepted +
  /// redelivered` is the sum of the others.
  struct buffer_sum {
    std::string name;
    std::uint64_t accepted = 0;
    std::uint64_t redelivered = 0;
    std::uint64_t handled = 0; ///< Given to a subscriber.
    std::uint64_t skipped = 0;
    std::uint64_t dead_lettered = 0;
    std::uint64_t failed = 0; ///< In hand when their runnable failed.
    std::uint64_t dropped = 0;
    std::uint64_t lost = 0;
    std::uint64_t left_over = 0;

    /// The buffer was shared with other processes. Then this is what the
    /// owner of the runtime saw: what it passed on to a subscription elsewhere
    /// counts as handled, and what went from there to others is not included.
    bool estimated = false;

    [[nodiscard]] bool adds_up() const noexcept;
  };

  step reached = step::drain;
  std::vector<runnable_end> runnables; ///< In the order in which they ended.
  std::vector<buffer_sum> buffers;

  /// Returns whether everything flowed to its end: nothing had to be aborted,
  /// and nothing failed, was lost or left over.
  [[nodiscard]] bool clean() const noexcept;

  /// Returns those that ended in this way.
  [[nodiscard]] std::vector<runnable_end> all_that(ending how) const;

  /// Returns the report as text, one line per entry.
  [[nodiscard]] std::string to_string() const;
};

/// Returns the name of the value, such as `drain`.
[[nodiscard]] const char* to_string(shutdown_report::step x) noexcept;
[[nodiscard]] const char* to_string(shutdown_report::ending x) noexcept;

/// Sums up what happened to the values of a buffer that is at rest.
[[nodiscard]] shutdown_report::buffer_sum
sum_up(std::string name, const buffer_stats& stats, bool estimated);

} // namespace puma
