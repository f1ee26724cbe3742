// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace puma::testing {

/// Collects what is logged while it lives, in place of the normal output. May
/// be nested; the innermost one gets the lines.
///
/// *Threads.* Lines may come from any thread.
class capture_logs {
 public:
  struct line {
    log_level level;
    std::string logger;
    std::string text;
  };

  capture_logs();

  capture_logs(const capture_logs&) = delete;
  capture_logs& operator=(const capture_logs&) = delete;

  ~capture_logs();

  /// Returns the lines so far.
  [[nodiscard]] std::vector<line> lines() const;

  /// Returns how many lines of at least `level` contain `text`.
  [[nodiscard]] std::size_t count(log_level level,
                                  std::string_view text = {}) const;

  /// Returns all lines as one text, for messages of failed tests.
  [[nodiscard]] std::string to_string() const;

 private:
  struct state;
  std::shared_ptr<state> state_;
  log_sink before_;
};

} // namespace puma::testing
