// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/alarm_clock.hpp"
#include "puma/base/internal/wait_driver.hpp"

namespace puma::internal {

/// Wakes one party for `wake::tick` at a time that can be changed: by the alarm
/// clock, or under the virtual clock by its driver.
///
/// *Threads.* To be used from within the party's slices; the wake may come on
/// any thread. It is the party that the alarm clock arms and fires: this may go
/// in between.
class timer final : private waker {
 public:
  /// `who` and `clock` must outlive this. Throws `std::system_error` if the
  /// clock cannot start its thread.
  timer(waker& who, alarm_clock& clock)
    : who_(who),
      clock_(clock),
      alarm_(who, wake::tick) {
    // So that nothing can fail later.
    if (!wait_driver::of_this_thread())
      clock_.set(alarm_, no_deadline);
  }

  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;

  ~timer() {
    if (auto* driver = wait_driver::of_this_thread())
      driver->forget(*this);
    clock_.cancel(alarm_);
  }

  /// Wakes the party at `when`, in place of what was set before.
  void set(time_point when) {
    if (when == when_)
      return;
    when_ = when;
    if (auto* driver = wait_driver::of_this_thread()) {
      driver->forget(*this);
      if (when != no_deadline)
        driver->arm_at(when, *this);
    } else {
      clock_.set(alarm_, when);
    }
  }

  /// To be called when the wake has come.
  void went_off() noexcept { when_ = no_deadline; }

 private:
  // For the driver, which must not take this for another wait of the party.
  bool arm(wake::bits) noexcept override { return who_.arm(wake::tick); }

  void fire(urgency how) noexcept override { who_.fire(how); }

  waker& who_;
  alarm_clock& clock_;
  alarm_clock::alarm alarm_;
  time_point when_ = no_deadline; // what it is set to
};

} // namespace puma::internal
