// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <chrono>

namespace puma::internal {

/// Judges how long somebody has been silent. The time during which this process
/// stood still itself is not held against anybody: two that are suspended and
/// continued together do not lose each other.
///
/// *Threads.* Belongs to one thread at a time.
class silence {
 public:
  using clock = std::chrono::steady_clock;

  explicit silence(clock::time_point now) noexcept
    : last_tick_(now),
      on_time_since_(now) {}

  /// To be called every `period`.
  void tick(clock::time_point now, std::chrono::milliseconds period) noexcept {
    if (now - last_tick_ > 2 * period)
      on_time_since_ = now;
    last_tick_ = now;
  }

  /// Returns for how long nothing has come of somebody who was last heard of at
  /// that time.
  [[nodiscard]] clock::duration since(clock::time_point heard,
                                      clock::time_point now) const noexcept {
    return now - std::max(heard, on_time_since_);
  }

 private:
  clock::time_point last_tick_;
  clock::time_point on_time_since_;
};

} // namespace puma::internal
