// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/tick_schedule.hpp"
#include "puma/actors/internal/timer.hpp"

namespace puma::internal {

/// The ticks of one task: their schedule, and what wakes the task for the next
/// one.
///
/// *Threads.* To be used from within the task's slices.
class ticker {
 public:
  /// The task `who` is woken for `wake::tick`; it and `clock` must outlive
  /// this. Throws `std::system_error` if the clock cannot start its thread.
  ticker(waker& who, alarm_clock& clock) : timer_(who, clock) {}

  tick_schedule schedule;

  /// To be called when the schedule may have changed.
  void update() { timer_.set(schedule.next()); }

  /// To be called when the wake has come.
  void alarm_came() noexcept { timer_.went_off(); }

 private:
  timer timer_;
};

} // namespace puma::internal
