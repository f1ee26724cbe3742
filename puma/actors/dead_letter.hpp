// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/exit_record.hpp"

#include <cstdint>

namespace puma {

/// A value that a runnable could not handle, however often it was tried. See
/// `value_policy::dead_letters`.
template <class T>
struct dead_letter {
  T value;
  exit_record error;          ///< Of the last attempt.
  std::uint32_t attempts = 0; ///< At least 1.
};

} // namespace puma
