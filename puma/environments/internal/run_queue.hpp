// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/cycles.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace puma::detail {

class pool_job;

} // namespace puma::detail

namespace puma::internal {

/// The short jobs that one worker has taken in one go. Others may take them
/// from it, so that none of them waits for one that turns out to be long.
///
/// One word holds how many there are, how many have been taken, and a number
/// that each filling changes. So whoever takes the next job also makes sure
/// that its place has not been filled anew since it was read.
///
/// *Threads.* `fill` is for the worker, and only when it is empty; the rest may
/// be called from any thread.
class run_queue {
 public:
  static constexpr std::size_t capacity = 32;

  void fill(detail::pool_job* const* jobs, std::size_t count,
            cycles now) noexcept {
    for (std::size_t i = 0; i != count; ++i)
      jobs_[i].store(jobs[i], std::memory_order_relaxed);
    filled_.store(now, std::memory_order_relaxed);
    const auto before = word_.load(std::memory_order_relaxed);
    word_.store((before & ~counts) + filling
                  + (static_cast<std::uint64_t>(count) << 16u),
                std::memory_order_release);
  }

  /// Takes a job; null if none is left.
  detail::pool_job* pop() noexcept {
    auto seen = word_.load(std::memory_order_acquire);
    while (has_more(seen)) {
      auto* x = jobs_[seen & one_count].load(std::memory_order_relaxed);
      if (word_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
        return x;
    }
    return nullptr;
  }

  [[nodiscard]] bool empty() const noexcept {
    return !has_more(word_.load(std::memory_order_acquire));
  }

  /// Returns whether its jobs have been waiting since before `when`.
  [[nodiscard]] bool is_older_than(cycles when) const noexcept {
    return !empty() && filled_.load(std::memory_order_relaxed) < when;
  }

 private:
  static constexpr std::uint64_t one_count = 0xffff;
  static constexpr std::uint64_t counts = 0xffff'ffff;
  static constexpr std::uint64_t filling = std::uint64_t{1} << 32u;

  static bool has_more(std::uint64_t word) noexcept {
    return (word & one_count) != ((word >> 16u) & one_count);
  }

  // From the lowest bit: taken, count, fillings.
  alignas(64) std::atomic<std::uint64_t> word_{0};
  std::atomic<cycles> filled_{0};
  std::array<std::atomic<detail::pool_job*>, capacity> jobs_{};
};

} // namespace puma::internal
