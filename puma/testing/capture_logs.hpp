// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace puma::testing {

/// Collects what is logged while it lives, in place of the normal output: lines
/// of all levels, of this process and its workers, and what these print. May be
/// nested; the innermost one gets the lines.
///
/// *Threads.* Lines may come from any thread. What was logged before, by this
/// process or another one, is there when a function returns.
class capture_logs {
 public:
  struct line {
    log_level level;
    std::string logger;
    std::string text;
    std::string process; ///< The name of the process it came from.
    std::uint32_t process_id = 0;
    std::uint32_t thread_id = 0;
    std::string file;
    std::uint32_t line_number = 0;
    std::uint64_t sequence = 0; ///< Counts the lines of one worker, and its
                                ///< own.
    std::chrono::system_clock::time_point time{};
  };

  /// Which lines are meant. What is not set fits all.
  struct filter {
    log_level level = log_level::trace; ///< The lowest one.
    std::string_view text{};            ///< Is part of the line's text.
    std::optional<std::string_view> logger{};
    std::optional<std::string_view> process{};
  };

  capture_logs();

  capture_logs(const capture_logs&) = delete;
  capture_logs& operator=(const capture_logs&) = delete;

  ~capture_logs();

  /// Returns the lines so far.
  [[nodiscard]] std::vector<line> lines() const;

  /// Returns those that fit.
  [[nodiscard]] std::vector<line> lines(const filter& which) const;

  /// Returns how many lines of at least `level` contain `text`.
  [[nodiscard]] std::size_t count(log_level level,
                                  std::string_view text = {}) const;

  /// Returns all lines as one text, for messages of failed tests.
  [[nodiscard]] std::string to_string() const;

 private:
  class state;
  std::shared_ptr<state> state_;
};

} // namespace puma::testing
