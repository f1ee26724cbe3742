// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/job_inbox.hpp"

#include <string>
#include <utility>

namespace puma::internal {

namespace {

/// Stands where the newest job would be once the inbox is closed.
class end_mark final : public detail::scope_job {
 public:
  const char* activity() const noexcept override { return ""; }

  void run(task&) override {}

  bool drop(const std::string&) noexcept override { return false; }
};

detail::scope_job* closed_mark() noexcept {
  static end_mark instance;
  return &instance;
}

} // namespace

job_inbox::~job_inbox() {
  close();
  while (pop()) {
  }
}

job_inbox::result job_inbox::push(const detail::job_ptr& x) noexcept {
  if (size_.fetch_add(1, std::memory_order_relaxed) >= limit) {
    size_.fetch_sub(1, std::memory_order_relaxed);
    return result::full;
  }
  x->self_ = x;
  auto* before = pushed_.load(std::memory_order_acquire);
  do {
    if (before == closed_mark()) {
      x->self_.reset();
      size_.fetch_sub(1, std::memory_order_relaxed);
      return result::closed;
    }
    x->next_ = before;
  } while (!pushed_.compare_exchange_weak(
    before, x.get(), std::memory_order_acq_rel, std::memory_order_acquire));
  return result::pushed;
}

void job_inbox::collect(job* newest) noexcept {
  job* first = nullptr;
  for (auto* x = newest; x != nullptr;) {
    auto* older = x->next_;
    x->next_ = std::exchange(first, x);
    x = older;
  }
  if (!first)
    return;
  (oldest_ ? newest_->next_ : oldest_) = first;
  newest_ = newest;
}

detail::job_ptr job_inbox::pop() noexcept {
  if (!oldest_ && pushed_.load(std::memory_order_relaxed) != closed_mark())
    collect(pushed_.exchange(nullptr, std::memory_order_acq_rel));
  if (!oldest_)
    return nullptr;
  auto* x = oldest_;
  oldest_ = std::exchange(x->next_, nullptr);
  size_.fetch_sub(1, std::memory_order_relaxed);
  return std::move(x->self_);
}

void job_inbox::close() noexcept {
  auto* newest = pushed_.exchange(closed_mark(), std::memory_order_acq_rel);
  if (newest != closed_mark())
    collect(newest);
}

} // namespace puma::internal
