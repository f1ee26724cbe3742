// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/alarm_clock.hpp"

#include <utility>

namespace puma::internal {

namespace {

/// Parties woken before the mutex is released for a moment.
constexpr int most_at_once = 64;

} // namespace

alarm_clock::~alarm_clock() {
  stop();
}

void alarm_clock::stop() noexcept {
  {
    const std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

void alarm_clock::set(alarm& x, time_point when) {
  bool is_first = false;
  {
    const std::lock_guard guard{mutex_};
    if (!thread_.joinable() && !stopping_)
      thread_ = std::thread{[this] { run(); }};
    if (std::exchange(x.set_, false))
      x.unused_ = alarms_.extract(x.place_);
    if (x.unused_) {
      x.unused_.key() = when;
      x.place_ = alarms_.insert(std::move(x.unused_));
    } else {
      x.place_ = alarms_.emplace(when, &x);
    }
    x.set_ = true;
    is_first = x.place_ == alarms_.begin();
  }
  if (is_first)
    changed_.notify_one();
}

void alarm_clock::cancel(alarm& x) noexcept {
  const std::lock_guard guard{mutex_};
  if (std::exchange(x.set_, false))
    x.unused_ = alarms_.extract(x.place_);
}

void alarm_clock::run() {
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    if (alarms_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const auto next = alarms_.begin()->first;
    if (next > std::chrono::steady_clock::now()) {
      if (next == no_deadline)
        changed_.wait(lock);
      else
        changed_.wait_until(lock, next);
      continue;
    }
    wake_list wakes;
    for (int n = 0; n != most_at_once && !alarms_.empty()
                    && alarms_.begin()->first <= next;
         ++n) {
      auto& x = *alarms_.begin()->second;
      x.set_ = false;
      x.unused_ = alarms_.extract(alarms_.begin());
      wakes.add(x.who_, x.what_);
    }
    lock.unlock();
    wakes.fire(urgency::at_once);
    lock.lock();
  }
}

} // namespace puma::internal
