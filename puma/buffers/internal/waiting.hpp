// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/internal/party.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <vector>

namespace puma::internal {

/// Those who wait for a change of some state, guarded by the state's mutex:
/// plain threads, which park, and dedicated runnables, which remain open to
/// their control queue.
class waiting_list {
 public:
  using lock_type = std::unique_lock<std::mutex>;

  /// Wakes all, so that they look again. Needs the mutex.
  void wake_all(wake_list& wakes) noexcept {
    for (auto* who : waiting_)
      wakes.add(*who, wake::change);
    waiting_.clear();
  }

  /// Waits until `holds()`, which is called under the mutex; returns false if
  /// it does not by `deadline`. Throws `usage_error` that names `what` in a
  /// pooled runnable, and `stopped` when a dedicated one is told to stop.
  template <class Predicate>
  bool wait(lock_type& lock, time_point deadline, const std::string& what,
            Predicate holds) {
    auto* running = party::current();
    for (;;) {
      if (holds())
        return true;
      if (deadline != no_deadline && current_time() >= deadline)
        return false;
      if (running && !running->may_wait())
        throw usage_error{what + ": a pooled runnable must not wait for it; "
                                 "start the runnable as dedicated"};
      auto* who = running ? static_cast<waker*>(running)
                          : &parker::of_this_thread();
      waiting_.push_back(who);
      lock.unlock();
      try {
        if (running)
          running->wait(deadline);
        else
          sleep_until_armed(deadline);
      } catch (...) {
        lock.lock();
        withdraw(who);
        throw;
      }
      lock.lock();
      withdraw(who);
    }
  }

 private:
  void withdraw(waker* who) noexcept {
    const auto i = std::find(waiting_.begin(), waiting_.end(), who);
    if (i != waiting_.end())
      waiting_.erase(i);
  }

  std::vector<waker*> waiting_;
};

} // namespace puma::internal
