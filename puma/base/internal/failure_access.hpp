// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"

namespace puma::internal {

/// Keeps that each failure is thrown to an owner once, whoever asks first.
struct failure_access {
  /// Returns true for the first caller per failure.
  static bool claim(const failure& x) noexcept;

  [[nodiscard]] static bool is_claimed(const failure& x) noexcept;
};

} // namespace puma::internal
