// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/parker.hpp"

#include <atomic>
#include <cstdint>

namespace puma::internal {

/// An event count: lets workers sleep until there is work, without a lock on
/// the side of those who bring it.
///
/// A worker that finds nothing takes a ticket, looks once more, and only then
/// sleeps on it. Whoever brings work after the ticket was taken makes it void.
class sleepers {
 public:
  using ticket = std::uint32_t;

  /// Announces the calling worker as a sleeper.
  ticket announce() noexcept {
    const auto result = epoch_.load(std::memory_order_seq_cst);
    count_.fetch_add(1, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return result;
  }

  /// Takes the announcement back: there is work after all.
  void withdraw() noexcept { count_.fetch_sub(1, std::memory_order_seq_cst); }

  /// Sleeps unless the ticket is void, at most until `deadline`; ends the
  /// announcement. Returns whether the ticket has become void.
  bool sleep(ticket x, time_point deadline) noexcept {
    if (epoch_.load(std::memory_order_seq_cst) == x)
      futex_wait(epoch_, x, deadline);
    withdraw();
    return epoch_.load(std::memory_order_seq_cst) != x;
  }

  /// Wakes one sleeper, if there is any. To be called after the work has been
  /// made visible.
  void notify_one() noexcept { notify(1); }

  void notify_all() noexcept { notify(1 << 30); }

 private:
  void notify(int count) noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (count_.load(std::memory_order_seq_cst) == 0)
      return;
    epoch_.fetch_add(1, std::memory_order_seq_cst);
    futex_wake(epoch_, count);
  }

  std::atomic<std::uint32_t> epoch_{0};
  std::atomic<std::uint32_t> count_{0};
};

} // namespace puma::internal
