// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace puma::detail {

/// Holds at most `burst` tokens, and gets `count` of them per period, one by
/// one. Exact: there is no rounding that could add up.
///
/// *Threads.* To be used by one thread at a time.
class token_bucket {
 public:
  /// Begins full. Throws `usage_error`, with `name` in front, for a rate that
  /// makes no sense.
  token_bucket(const std::string& name, std::uint64_t count,
               std::chrono::nanoseconds period, std::uint64_t burst);

  /// Adds the tokens that have come until now.
  void refill();

  [[nodiscard]] bool has_one() const noexcept { return level_ >= cost_; }

  /// Takes a token, as a debt if there is none.
  void take() noexcept { level_ -= cost_; }

  /// Returns the time from the last `refill` until there is a token.
  [[nodiscard]] std::chrono::nanoseconds until_next() const noexcept;

 private:
  // In units of which one token costs `cost_` and each nanosecond brings
  // `gain_`.
  std::int64_t cost_ = 1;
  std::int64_t gain_ = 1;
  std::int64_t full_ = 1;
  std::int64_t level_ = 1;
  std::chrono::steady_clock::time_point filled_;
};

} // namespace puma::detail
