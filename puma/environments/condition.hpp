// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace puma {

/// Guards some state with a lock, and lets threads and dedicated runnables wait
/// until that state satisfies a predicate.
///
/// *Threads.* All functions may be called from any thread. A cheap handle:
/// copies denote the same condition. `change` and the predicates run under its
/// lock, one at a time: keep them short, and do not wait in them.
///
/// *Waiting* in a pooled runnable is a `usage_error`; in a dedicated one it
/// throws `stopped` when the runnable is told to stop.
class condition {
 public:
  explicit condition(std::string name);

  [[nodiscard]] const std::string& name() const noexcept;

  /// Changes the guarded state, and makes all who wait look again.
  void change(const std::function<void()>& change);

  /// Waits until `holds` returns true.
  void wait(const std::function<bool()>& holds) const;

  /// As above; returns false if it does not hold after `timeout`.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout,
                              const std::function<bool()>& holds) const;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

} // namespace puma
