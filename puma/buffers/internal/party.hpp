// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/parker.hpp"
#include "puma/base/internal/waker.hpp"

namespace puma::internal {

class outlet;

/// The runnable that opened an end of a queue, as the queue sees it.
class party : public waker {
 public:
  /// Returns whether its hooks may wait: a dedicated runnable's may, those of
  /// a pooled one never.
  [[nodiscard]] virtual bool may_wait() const noexcept = 0;

  /// Waits until armed or `deadline`. Throws `stopped` when told to stop.
  virtual void wait(time_point deadline) = 0;

  /// Takes a publisher that was opened in one of its hooks into its scope.
  virtual void adopt(outlet& x) = 0;

  /// Called by an adopted publisher that goes before the runnable does.
  virtual void forget(outlet& x) noexcept = 0;

  /// Called when an outbox got its first value: no further values, please.
  virtual void output_blocked() noexcept = 0;

  /// Collects wakes that can wait until the running slice ends.
  virtual wake_list& pending_wakes() noexcept = 0;

  /// Fires what was collected.
  virtual void fire_pending_wakes() noexcept = 0;

  /// Returns the runnable whose hook is running on this thread, or null.
  static party*& current() noexcept;

 protected:
  ~party() = default;
};

} // namespace puma::internal
