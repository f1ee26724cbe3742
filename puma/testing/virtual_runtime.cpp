// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/virtual_runtime.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/environments/internal/runtime_core.hpp"

#include <caf/scheduler/test_coordinator.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace puma::testing {

namespace {

/// More slices than any test that ends needs to settle.
constexpr std::size_t most_steps = 500'000;

std::unique_ptr<internal::runtime_core> make_core() {
  return std::make_unique<internal::runtime_core>(
    runtime_options{}, internal::runtime_core::scheduling::manual);
}

} // namespace

class virtual_runtime::impl final : public internal::wait_driver {
 public:
  impl() : rt_(make_core()), start_(clock().now()) {
    outer_ = std::exchange(of_this_thread(), this);
    if (outer_) {
      of_this_thread() = outer_;
      throw usage_error{
        "virtual_runtime: there is one on this thread "
        "already"};
    }
  }

  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;

  ~impl() {
    rt_.core().shut_down();
    of_this_thread() = nullptr;
  }

  void drive(internal::time_point deadline) override {
    if (scheduler().try_run_once())
      return;
    if (deadline == internal::no_deadline && next_timer() == deadline)
      throw usage_error{
        "virtual_runtime: a wait without a time limit would "
        "never end, because every runnable waits, too"};
    jump(deadline);
  }

  void arm_at(internal::time_point when, internal::waker& who) override {
    timers_.emplace(when, &who);
  }

  void forget(internal::waker& who) noexcept override {
    std::erase_if(timers_, [&who](const auto& x) { return x.second == &who; });
  }

  internal::time_point now() override { return clock().now(); }

  void settle() {
    for (std::size_t steps = 0; scheduler().try_run_once(); ++steps)
      if (steps == most_steps)
        throw usage_error{
          "virtual_runtime: does not settle; is there a source "
          "without end whose outputs never get full?"};
  }

  void advance(std::chrono::nanoseconds by) {
    const auto target = now() + by;
    settle();
    while (now() < target) {
      jump(target);
      settle();
    }
  }

  std::chrono::nanoseconds elapsed() { return now() - start_; }

  runtime& rt() noexcept { return rt_; }

 private:
  caf::scheduler::test_coordinator& scheduler() {
    return dynamic_cast<caf::scheduler::test_coordinator&>(
      rt_.core().system().scheduler());
  }

  caf::detail::test_actor_clock& clock() { return scheduler().clock(); }

  internal::time_point next_timer() {
    auto result = timers_.empty() ? internal::no_deadline
                                  : timers_.begin()->first;
    if (!clock().schedule().empty())
      result = std::min(result, clock().schedule().begin()->first);
    return result;
  }

  /// Moves the clock to the next timer, or to `target` if that is sooner.
  void jump(internal::time_point target) {
    target = std::max(std::min(target, next_timer()), now());
    clock().advance_time(
      std::chrono::duration_cast<caf::timespan>(target - now()));
    while (!timers_.empty() && timers_.begin()->first <= now()) {
      auto* who = timers_.begin()->second;
      timers_.erase(timers_.begin());
      internal::wake_list wakes;
      wakes.add(*who, internal::wake::change);
    }
  }

  std::multimap<internal::time_point, internal::waker*> timers_;
  runtime rt_;
  internal::time_point start_;
  internal::wait_driver* outer_ = nullptr;
};

virtual_runtime::virtual_runtime() : impl_(std::make_unique<impl>()) {}

virtual_runtime::~virtual_runtime() = default;

void virtual_runtime::settle() {
  impl_->settle();
}

void virtual_runtime::advance(std::chrono::nanoseconds by) {
  impl_->advance(by);
}

std::chrono::nanoseconds virtual_runtime::elapsed() const {
  return impl_->elapsed();
}

runtime& virtual_runtime::rt() noexcept {
  return impl_->rt();
}

thread_environment virtual_runtime::env() noexcept {
  return thread_environment{impl_->rt()};
}

} // namespace puma::testing
