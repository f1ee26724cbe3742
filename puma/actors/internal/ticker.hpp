// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/tick_schedule.hpp"
#include "puma/base/internal/alarm_clock.hpp"
#include "puma/base/internal/wait_driver.hpp"

namespace puma::internal {

/// The ticks of one task: their schedule, and the alarm that wakes the task for
/// the next one.
///
/// *Threads.* To be used from within the task's slices; the alarm may come from
/// any thread.
class ticker final : private waker {
 public:
  /// The task `who` is woken for `wake::tick`; it and `clock` must outlive
  /// this. Throws `std::system_error` if the clock cannot start its thread.
  ticker(waker& who, alarm_clock& clock)
    : who_(who),
      clock_(clock),
      alarm_(*this, wake::tick) {
    // So that nothing can fail later.
    if (!wait_driver::of_this_thread())
      clock_.set(alarm_, no_deadline);
  }

  ticker(const ticker&) = delete;
  ticker& operator=(const ticker&) = delete;

  ~ticker() {
    if (auto* driver = wait_driver::of_this_thread())
      driver->forget(*this);
    clock_.cancel(alarm_);
  }

  tick_schedule schedule;

  /// To be called when the schedule may have changed.
  void update() {
    if (schedule.next() != alarm_time_)
      set_alarm(schedule.next());
  }

  /// To be called when the alarm has come.
  void alarm_came() noexcept { alarm_time_ = no_deadline; }

 private:
  // What is armed is the task, which outlives this.
  bool arm(wake::bits) noexcept override { return who_.arm(wake::tick); }

  void fire(urgency how) noexcept override { who_.fire(how); }

  void set_alarm(time_point when) {
    alarm_time_ = when;
    if (auto* driver = wait_driver::of_this_thread()) {
      driver->forget(*this);
      if (when != no_deadline)
        driver->arm_at(when, *this);
    } else {
      clock_.set(alarm_, when);
    }
  }

  waker& who_;
  alarm_clock& clock_;
  alarm_clock::alarm alarm_;
  time_point alarm_time_ = no_deadline; // when it is set to
};

} // namespace puma::internal
