// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/parker.hpp"
#include "puma/base/internal/waker.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace puma::internal {

/// Wakes parties at given times: one thread for any number of them, which
/// exists from the first alarm on.
///
/// *Threads.* All functions may be called from any thread.
class alarm_clock {
 public:
  class alarm;

  alarm_clock() = default;

  alarm_clock(const alarm_clock&) = delete;
  alarm_clock& operator=(const alarm_clock&) = delete;

  ~alarm_clock();

  /// Ends the thread: nobody is woken any more. Not to be called by that
  /// thread, which is why those whose last owner may be a party call it before.
  void stop() noexcept;

  /// Wakes the alarm's party once, at `when`, in place of what was set before.
  /// Throws `std::system_error` if the thread cannot be started.
  void set(alarm& x, time_point when);

  /// When it returns, `x` is not going to wake anybody.
  void cancel(alarm& x) noexcept;

 private:
  using alarms = std::multimap<time_point, alarm*>;

  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  alarms alarms_;
  bool stopping_ = false;
  std::thread thread_;
};

/// One party's alarm; to be cancelled before it, its party or the clock goes.
class alarm_clock::alarm {
 public:
  /// `who` is woken for `what`.
  alarm(waker& who, wake::bits what) noexcept : who_(who), what_(what) {}

  alarm(const alarm&) = delete;
  alarm& operator=(const alarm&) = delete;

 private:
  friend class alarm_clock;

  waker& who_;
  const wake::bits what_;
  bool set_ = false;
  alarms::iterator place_{};   // while set
  alarms::node_type unused_{}; // its memory, otherwise
};

} // namespace puma::internal
