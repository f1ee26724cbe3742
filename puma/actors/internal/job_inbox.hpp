// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/scope_job.hpp"

#include <atomic>
#include <cstdint>

namespace puma::internal {

/// The jobs that wait for one runnable, first in, first out.
///
/// *Threads.* `push` may be called from any thread, the rest only from within
/// the runnable's slices.
class job_inbox {
 public:
  /// So many may wait; more are refused, rather than to grow without bound.
  static constexpr std::uint32_t limit = 65'536;

  enum class result { pushed, full, closed };

  job_inbox() = default;

  job_inbox(const job_inbox&) = delete;
  job_inbox& operator=(const job_inbox&) = delete;

  ~job_inbox();

  result push(const detail::job_ptr& x) noexcept;

  /// Returns the oldest job; null when there is none.
  detail::job_ptr pop() noexcept;

  /// Returns how many wait.
  [[nodiscard]] std::uint32_t size() const noexcept {
    return size_.load(std::memory_order_relaxed);
  }

  /// Refuses jobs from now on; those that wait remain.
  void close() noexcept;

 private:
  using job = detail::scope_job;

  void collect(job* newest) noexcept;

  // The newest job that was pushed, and behind it the older ones.
  std::atomic<job*> pushed_{nullptr};
  job* oldest_ = nullptr; // of those in the order in which they are to run
  job* newest_ = nullptr;
  std::atomic<std::uint32_t> size_{0};
};

} // namespace puma::internal
