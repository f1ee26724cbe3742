// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/continuing.hpp"
#include "puma/actors/detail/pool_job.hpp"

#include <chrono>
#include <memory>
#include <type_traits>
#include <utility>

namespace puma {

/// A job that was submitted to a pool: its result of type `R`, or its error.
///
/// *Threads.* To be used by one thread at a time; it may be moved to another.
///
/// *Lifetime.* Letting go of it leaves the job to itself. It always comes to an
/// end: with a result, with the function's exception, or with `pool_closed`
/// when it was not done.
///
/// *Failure.* An error of a job that nobody has asked for is logged.
template <class R>
class job {
 public:
  /// What a pool knows it by.
  using core_type = std::conditional_t<std::is_void_v<R>, detail::call_core,
                                       detail::call_with_result<R>>;
  using core_ptr = std::shared_ptr<core_type>;

  /// Refers to no job; using it is a `usage_error`.
  job() noexcept = default;

  explicit job(core_ptr core) noexcept : core_(std::move(core)) {}

  job(job&&) noexcept = default;
  job& operator=(job&&) noexcept = default;

  /// Returns whether it refers to a job.
  [[nodiscard]] bool valid() const noexcept { return core_ != nullptr; }

  /// Returns whether it is done.
  [[nodiscard]] bool ready() const noexcept { return core_ && core_->ready(); }

  /// Waits until it is done. A pooled runnable must not: `usage_error`; it goes
  /// on with `then`. Nor should a job that runs in the same pool, since all
  /// workers might wait so.
  void wait() const { static_cast<void>(wait_for(forever)); }

  /// As above; returns false if it is not done after `timeout`.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout) const {
    return detail::wait_for_job(core(), timeout);
  }

  /// Waits until it is done, and returns the result or throws the error, with
  /// its own type. Once.
  R get() { return get_for(forever); }

  /// As above, but throws `timeout_error` if it is not done after `timeout`. It
  /// goes on then, and may be asked again.
  R get_for(std::chrono::nanoseconds timeout) {
    if (!wait_for(timeout))
      detail::throw_job_not_done(core(), timeout);
    const auto done = std::move(core_);
    done->check();
    if constexpr (!std::is_void_v<R>)
      return done->take();
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
    static_cast<void>(core());
    detail::go_on_with<R>(std::move(core_), std::move(function),
                          std::move(on_error));
  }

  /// Withdraws the job if it has not begun, and lets go of it then. Returns
  /// false if it has begun, and goes on.
  bool cancel() {
    if (!core().give_up())
      return false;
    core_.reset();
    return true;
  }

 private:
  static constexpr auto forever = std::chrono::nanoseconds::max();

  core_type& core() const {
    if (!core_)
      detail::throw_no_job();
    return *core_;
  }

  core_ptr core_;
};

} // namespace puma
