// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/cycles.hpp"

namespace puma::internal {

/// What workers of the scheduler look after while they have nothing else to do,
/// so that no other thread has to be woken for it, which would then have to
/// wake them.
///
/// *Threads.* All functions may be called from any thread.
class idle_poller {
 public:
  virtual ~idle_poller() = default;

  /// A worker is about to look out for work. Returns for how long it is worth
  /// to poll; zero if it is not. From then on nobody else looks, until `leave`
  /// or until nobody has polled for a while.
  virtual cycles attend() noexcept = 0;

  /// Whether somebody who has attended is expected to poll.
  [[nodiscard]] virtual bool attended() const noexcept = 0;

  /// Handles what is there. Returns whether there was something.
  virtual bool poll() noexcept = 0;

  /// No worker is going to poll.
  virtual void leave() noexcept = 0;

  /// Others need the processor.
  virtual void note_crowd() noexcept = 0;

  /// The time to poll was in vain.
  virtual void note_miss() noexcept = 0;
};

} // namespace puma::internal
