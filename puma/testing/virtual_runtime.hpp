// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/runtime.hpp"
#include "puma/environments/thread_environment.hpp"

#include <chrono>
#include <memory>

namespace puma::testing {

/// A runtime for unit tests: runnables run while the test waits for them, one
/// step after the other in a fixed order, under a clock that moves only when
/// the test says so. No test needs to sleep.
///
/// Calls of puma that wait (`runner::join`, `publish` on a full buffer, `next`,
/// …) run the runnables until what they wait for has happened. If nothing can
/// happen any more, a wait with a time-out lets the clock jump to its end, and
/// one without throws `usage_error`: it would never end. A dedicated runnable
/// has a thread of its own, which takes turns with the test's: only one of them
/// runs at any time.
///
/// *Threads.* To be used by the thread that made it; one at a time per thread.
class virtual_runtime {
 public:
  virtual_runtime();

  virtual_runtime(const virtual_runtime&) = delete;
  virtual_runtime& operator=(const virtual_runtime&) = delete;

  ~virtual_runtime();

  /// Runs runnables until all of them wait for something.
  void settle();

  /// Moves the clock by `by`, and runs what becomes due on the way.
  void advance(std::chrono::nanoseconds by);

  /// Returns the virtual time since the runtime was made.
  [[nodiscard]] std::chrono::nanoseconds elapsed() const;

  [[nodiscard]] runtime& rt() noexcept;

  /// Returns an environment that starts runnables here.
  [[nodiscard]] thread_environment env() noexcept;

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace puma::testing
