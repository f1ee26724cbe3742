// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>
#include <vector>

namespace puma::internal {

/// A double-ended queue of pointers behind a lock. Its length can be read
/// without the lock, so that looking into empty queues costs no more than a
/// load.
///
/// *Threads.* All functions may be called from any thread.
template <class T>
class job_ring {
 public:
  /// Adds a job that runs next. Returns how many were there before.
  std::size_t push_front(T* job) {
    const std::lock_guard guard{mutex_};
    grow_if_full();
    const auto before = size_.load(std::memory_order_relaxed);
    first_ = (first_ - 1) & (slots_.size() - 1);
    slots_[first_] = job;
    size_.store(before + 1, std::memory_order_seq_cst);
    return before;
  }

  /// Adds a job that runs last. Returns how many were there before.
  std::size_t push_back(T* job) {
    const std::lock_guard guard{mutex_};
    grow_if_full();
    const auto before = size_.load(std::memory_order_relaxed);
    slots_[(first_ + before) & (slots_.size() - 1)] = job;
    size_.store(before + 1, std::memory_order_seq_cst);
    return before;
  }

  /// Takes the job that runs next, or null.
  T* pop_front() {
    if (size_.load(std::memory_order_seq_cst) == 0)
      return nullptr;
    const std::lock_guard guard{mutex_};
    const auto before = size_.load(std::memory_order_relaxed);
    if (before == 0)
      return nullptr;
    auto* job = slots_[first_];
    first_ = (first_ + 1) & (slots_.size() - 1);
    size_.store(before - 1, std::memory_order_relaxed);
    return job;
  }

  /// Takes the job that would run last, or null.
  T* pop_back() {
    if (size_.load(std::memory_order_seq_cst) == 0)
      return nullptr;
    const std::lock_guard guard{mutex_};
    const auto before = size_.load(std::memory_order_relaxed);
    if (before == 0)
      return nullptr;
    size_.store(before - 1, std::memory_order_relaxed);
    return slots_[(first_ + before - 1) & (slots_.size() - 1)];
  }

  [[nodiscard]] std::size_t size() const noexcept {
    return size_.load(std::memory_order_seq_cst);
  }

 private:
  void grow_if_full() {
    const auto n = size_.load(std::memory_order_relaxed);
    if (n < slots_.size())
      return;
    std::vector<T*> larger(slots_.empty() ? 64 : 2 * slots_.size());
    for (std::size_t i = 0; i != n; ++i)
      larger[i] = slots_[(first_ + i) & (slots_.size() - 1)];
    slots_.swap(larger);
    first_ = 0;
  }

  std::mutex mutex_;
  std::vector<T*> slots_; // its size is a power of two
  std::size_t first_ = 0;
  std::atomic<std::size_t> size_{0};
};

} // namespace puma::internal
