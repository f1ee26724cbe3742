// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/calling.hpp"
#include "puma/actors/detail/continuing.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace puma {

/// How long `call` and `future::get` wait for an answer.
inline constexpr std::chrono::seconds default_call_timeout{60};

/// The answer to a call that `async` has sent: a result of type `R`, or the
/// error.
///
/// *Threads.* To be used by one thread at a time.
///
/// *Lifetime.* Letting go of it leaves the call to itself: its result is
/// dropped, its error too. Always gets an answer: when the runnable ends
/// before, a `runnable_ended`.
template <class R>
class [[nodiscard]] future {
 public:
  using core_ptr = std::shared_ptr<detail::call_with_result<R>>;

  future(detail::target_ptr target, core_ptr core) noexcept
    : target_(std::move(target)),
      core_(std::move(core)) {}

  future(future&&) noexcept = default;
  future& operator=(future&&) noexcept = default;

  /// Returns whether the answer is there.
  [[nodiscard]] bool ready() const noexcept { return core_ && core_->ready(); }

  /// Waits for the answer, and returns the result or throws the error. Once.
  ///
  /// *Failure.* The method's exception, with its type; `runnable_ended`;
  /// `timeout_error` after `default_call_timeout`, and then a call that has not
  /// begun is withdrawn; `usage_error` in a pooled runnable, which must use
  /// `then`.
  R get() { return get_for(default_call_timeout); }

  /// As above, with another time limit.
  R get_for(std::chrono::nanoseconds timeout) {
    check_valid();
    const auto core = std::move(core_);
    detail::await_answer(*target_, *core, timeout);
    return core->take();
  }

  /// Within a hook: calls `function` with the result, in the scope of the
  /// runnable whose hook it is, between two values. If there is an error
  /// instead, that ends the runnable, as if one of its hooks had thrown it. Not
  /// called if the runnable has ended. Does not wait.
  template <class F>
  void then(F function) && {
    std::move(*this).then(std::move(function), detail::no_error_handler{});
  }

  /// As above, but an error goes to `on_error(const failure&)`.
  template <class F, class G>
  void then(F function, G on_error) && {
    check_valid();
    detail::go_on_with<R>(std::move(core_), std::move(function),
                          std::move(on_error));
  }

 private:
  void check_valid() const {
    if (!core_)
      detail::throw_used_up();
  }

  detail::target_ptr target_;
  core_ptr core_;
};

} // namespace puma
