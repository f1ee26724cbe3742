// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"

#include <string>
#include <vector>

namespace puma {

/// What is known of how a runnable failed, in plain fields: a value that may
/// go through buffers to anywhere, other than `failure`.
struct exit_record {
  std::string runnable; ///< In which it occurred.
  std::string node;     ///< The process, as `host/pid`.
  std::string activity; ///< Such as `on_value (value 17 of buffer 'in')`.
  std::string type;     ///< The exception's.
  std::string text;     ///< The exception's.

  /// What was known before, the latest first: one line for each.
  std::vector<std::string> causes;

  [[nodiscard]] static exit_record of(const failure& x);

  /// Returns several lines: what failed, where, and after what.
  [[nodiscard]] std::string to_string() const;
};

} // namespace puma
