// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace puma {

/// A flag that threads and dedicated runnables can wait for.
///
/// *Threads.* All functions may be called from any thread. A cheap handle:
/// copies denote the same event.
///
/// *Waiting* in a pooled runnable is a `usage_error`; in a dedicated one it
/// throws `stopped` when the runnable is told to stop.
class event {
 public:
  explicit event(std::string name);

  [[nodiscard]] const std::string& name() const noexcept;

  /// Sets the flag and wakes all who wait.
  void set();

  void clear();

  [[nodiscard]] bool is_set() const;

  /// Waits until the flag is set.
  void wait() const;

  /// As above; returns false if it is not set after `timeout`.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout) const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace puma
