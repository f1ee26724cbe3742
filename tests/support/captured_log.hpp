// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/testing/capture_logs.hpp"

#include <string>
#include <vector>

namespace puma_test {

/// Collects all log lines in place of the output, as long as it lives.
///
/// *Threads.* Lines may come from any thread.
class captured_log : public puma::testing::capture_logs {
 public:
  /// Returns the texts of the lines of `level` or above.
  [[nodiscard]] std::vector<std::string>
  texts_from(puma::log_level level) const {
    std::vector<std::string> result;
    for (auto& x : lines({.level = level}))
      result.push_back(x.text);
    return result;
  }

  [[nodiscard]] std::vector<std::string> warnings() const {
    return texts_from(puma::log_level::warning);
  }
};

} // namespace puma_test
