// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/late_ticks.hpp"
#include "puma/base/internal/parker.hpp"

#include <chrono>
#include <cstdint>
#include <optional>

namespace puma::internal {

/// Says when ticks are due: at multiples of the interval after the first one,
/// however late each of them is given.
class tick_schedule {
 public:
  using duration = std::chrono::nanoseconds;

  /// @pre `interval > 0`. A running schedule goes on from its last tick.
  void set_interval(duration interval, late_ticks late) noexcept {
    interval_ = interval;
    late_ = late;
    if (running_)
      next_ = after(last_, interval_);
  }

  [[nodiscard]] bool has_interval() const noexcept {
    return interval_.count() != 0;
  }

  /// @pre has_interval(). The first tick is due an interval from `now`.
  void resume(time_point now) noexcept {
    if (running_)
      return;
    running_ = true;
    last_ = now;
    next_ = after(last_, interval_);
  }

  void pause() noexcept { running_ = false; }

  /// When the next tick is due; `no_deadline` if there is none.
  [[nodiscard]] time_point next() const noexcept {
    return running_ ? next_ : no_deadline;
  }

  /// Returns the time of a tick that is to be given now, if one is.
  std::optional<time_point> take(time_point now) noexcept {
    if (next() == no_deadline || next_ > now)
      return std::nullopt;
    const auto missed = late_ == late_ticks::catch_up
                          ? 0
                          : (now - next_) / interval_;
    last_ = next_ + missed * interval_;
    next_ = after(last_, interval_);
    if (missed == 0)
      return last_;
    const bool dropped = late_ == late_ticks::skip;
    missed_ += static_cast<std::uint64_t>(missed) + (dropped ? 1 : 0);
    return dropped ? std::nullopt : std::optional{last_};
  }

  /// How many ticks never came.
  [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

 private:
  static time_point after(time_point x, duration interval) noexcept {
    return interval < no_deadline - x ? x + interval : no_deadline;
  }

  duration interval_{0};
  late_ticks late_ = late_ticks::skip;
  bool running_ = false;
  time_point last_{};
  time_point next_{};
  std::uint64_t missed_ = 0;
};

} // namespace puma::internal
