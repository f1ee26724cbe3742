// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/pool_job.hpp"

#include <cstddef>
#include <utility>

namespace puma::internal {

/// The jobs that wait, first in, first out, linked through themselves. A job
/// keeps itself while it waits; its owner is whoever takes it.
class job_list {
 public:
  job_list() = default;

  job_list(const job_list&) = delete;
  job_list& operator=(const job_list&) = delete;

  ~job_list() {
    while (auto* x = pop())
      own(*x);
  }

  void push(detail::pool_job_ptr x) noexcept {
    auto* raw = x.get();
    raw->self_ = std::move(x);
    raw->next_ = nullptr;
    (last_ ? last_->next_ : first_) = raw;
    last_ = raw;
    ++size_;
  }

  /// Takes the oldest job, which then is to be owned by `own`; null if there is
  /// none.
  detail::pool_job* pop() noexcept {
    auto* x = first_;
    if (!x)
      return nullptr;
    first_ = x->next_;
    if (!first_)
      last_ = nullptr;
    --size_;
    return x;
  }

  /// Ends that a job keeps itself.
  static detail::pool_job_ptr own(detail::pool_job& x) noexcept {
    return std::move(x.self_);
  }

  void swap(job_list& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    std::swap(size_, other.size_);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  detail::pool_job* first_ = nullptr;
  detail::pool_job* last_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace puma::internal
