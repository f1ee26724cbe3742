// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace puma::internal {

/// What all copies of a failure share.
struct failure_record {
  std::uint64_t id = 0;
  std::string type;
  std::string text;
  std::string runnable;
  std::string node;
  std::string activity;
  std::optional<failure> cause;
  std::exception_ptr exception;
  mutable std::atomic<bool> claimed{false};
};

/// Keeps that each failure is thrown to an owner once, whoever asks first.
struct failure_access {
  /// Returns true for the first caller per failure.
  static bool claim(const failure& x) noexcept;

  [[nodiscard]] static bool is_claimed(const failure& x) noexcept;

  /// Returns the failure of `record`. `record` must have an exception.
  static failure make(std::shared_ptr<const failure_record> record) noexcept;

  static const std::shared_ptr<const failure_record>&
  record(const failure& x) noexcept;
};

} // namespace puma::internal
