// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/parker.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace puma::internal {

/// Lets workers sleep until there is work, without a lock on the side of those
/// who bring it.
///
/// A worker that finds nothing announces itself, looks once more, and only then
/// sleeps. Whoever brings work makes it visible first and notifies then: either
/// the worker sees the work, or the other one sees the worker.
///
/// Of several sleepers the one with the lowest number is woken: as long as one
/// worker is enough, it is always the same one, with warm caches.
///
/// *Threads.* `announce`, `withdraw` and `sleep` are for the worker with that
/// number, in turn; the rest may be called from any thread.
class sleepers {
 public:
  static constexpr std::size_t most_workers = 1024;

  /// Announces the calling worker as a sleeper.
  void announce(std::size_t worker) noexcept {
    auto used = used_.load(std::memory_order_relaxed);
    while (used <= worker
           && !used_.compare_exchange_weak(used, worker + 1,
                                           std::memory_order_seq_cst)) {
      // Another worker was faster.
    }
    count_.fetch_add(1, std::memory_order_seq_cst);
    states_[worker].store(asleep, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }

  /// Takes the announcement back: there is work after all. Returns whether a
  /// notification has come meanwhile, which may have been for other work.
  [[nodiscard]] bool withdraw(std::size_t worker) noexcept {
    if (states_[worker].exchange(awake, std::memory_order_seq_cst) != asleep)
      return true;
    count_.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }

  /// Sleeps until notified or `deadline`; ends the announcement. Returns
  /// whether it was notified.
  bool sleep(std::size_t worker, time_point deadline) noexcept {
    auto& state = states_[worker];
    while (state.load(std::memory_order_seq_cst) == asleep) {
      futex_wait(state, asleep, deadline);
      if (deadline != no_deadline
          && std::chrono::steady_clock::now() >= deadline)
        break;
    }
    return withdraw(worker);
  }

  /// Wakes one sleeper, if there is any. To be called after the work has been
  /// made visible.
  void notify_one() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (count_.load(std::memory_order_seq_cst) == 0)
      return;
    const auto n = used_.load(std::memory_order_seq_cst);
    for (std::size_t i = 0; i != n; ++i)
      if (wake(i))
        return;
  }

  void notify_all() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const auto n = used_.load(std::memory_order_seq_cst);
    for (std::size_t i = 0; i != n; ++i)
      wake(i);
  }

 private:
  static constexpr std::uint32_t awake = 0;
  static constexpr std::uint32_t asleep = 1;
  static constexpr std::uint32_t notified = 2;

  bool wake(std::size_t worker) noexcept {
    auto& state = states_[worker];
    auto expected = asleep;
    if (state.load(std::memory_order_relaxed) != asleep
        || !state.compare_exchange_strong(expected, notified,
                                          std::memory_order_seq_cst))
      return false;
    count_.fetch_sub(1, std::memory_order_seq_cst);
    futex_wake(state, 1);
    return true;
  }

  std::array<std::atomic<std::uint32_t>, most_workers> states_{};
  std::atomic<std::size_t> used_{0};
  std::atomic<std::uint32_t> count_{0};
};

} // namespace puma::internal
