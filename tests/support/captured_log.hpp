// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace puma_test {

/// Collects all log lines in place of the output, as long as it lives.
///
/// *Threads.* Lines may come from any thread.
class captured_log {
 public:
  struct line {
    puma::log_level level;
    std::string logger;
    std::string text;
  };

  captured_log()
    : before_(puma::exchange_log_sink([this](puma::log_level level,
                                             std::string_view logger,
                                             std::string_view text) {
        const std::lock_guard lock{mutex_};
        lines_.push_back({level, std::string{logger}, std::string{text}});
      })) {}

  captured_log(const captured_log&) = delete;
  captured_log& operator=(const captured_log&) = delete;

  ~captured_log() { puma::exchange_log_sink(std::move(before_)); }

  [[nodiscard]] std::vector<line> lines() const {
    const std::lock_guard lock{mutex_};
    return lines_;
  }

  /// Returns the texts of the lines of `level` or above.
  [[nodiscard]] std::vector<std::string>
  texts_from(puma::log_level level) const {
    std::vector<std::string> result;
    for (auto& x : lines())
      if (x.level >= level)
        result.push_back(std::move(x.text));
    return result;
  }

  [[nodiscard]] std::vector<std::string> warnings() const {
    return texts_from(puma::log_level::warning);
  }

 private:
  mutable std::mutex mutex_;
  std::vector<line> lines_;
  puma::log_sink before_;
};

} // namespace puma_test
