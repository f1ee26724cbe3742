// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/parker.hpp"

namespace puma::internal {

/// Runs something else while the thread that it is installed for would sleep:
/// under the virtual clock, the runnables that the thread waits for.
class wait_driver {
 public:
  /// Makes some progress, or moves the clock towards `deadline`. Throws when
  /// neither is possible, because then the wait would never end.
  virtual void drive(time_point deadline) = 0;

  /// Arms `who` at `when`, by the driver's clock, unless `forget` comes first.
  virtual void arm_at(time_point when, waker& who) = 0;
  virtual void forget(waker& who) noexcept = 0;

  /// Returns the time by the driver's clock.
  [[nodiscard]] virtual time_point now() = 0;

  /// Returns the driver of the calling thread, or null.
  static wait_driver*& of_this_thread() noexcept;

 protected:
  ~wait_driver() = default;
};

/// Returns the time by which the calling thread's waits are measured.
time_point current_time();

/// Returns the deadline `timeout` from now by that clock, without overflow.
time_point deadline_after(std::chrono::nanoseconds timeout);

/// Lets the calling thread sleep until its own parker is armed, or until
/// `deadline`.
void sleep_until_armed(time_point deadline);

} // namespace puma::internal
