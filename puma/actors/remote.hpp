// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/references.hpp"
#include "puma/actors/detail/sending.hpp"
#include "puma/actors/overload.hpp"
#include "puma/base/codec.hpp"

#include <chrono>
#include <type_traits>
#include <utility>

namespace puma {

/// Refers to a `T` that lives in the scope of a runnable, in this process or
/// another one: what comes back from a call whose result cannot leave, what
/// `runner::as` and `runnable::refer_to` return, and what a `proxy` offers.
///
/// *Threads.* A value; copies refer to the same object and may be used from any
/// thread. Calls run in the object's scope, one after the other.
///
/// *Lifetime.* A result stays in its scope until the last copy is gone, in all
/// processes, or the runnable ends; calls then fail with `runnable_ended`.
/// Copies may be sent to other processes of the runtime.
template <class T>
class remote {
 public:
  using object_type = T;

  /// Refers to nothing; using it is a `usage_error`.
  remote() noexcept = default;

  explicit remote(detail::target_ptr target) noexcept
    : target_(std::move(target)) {}

  /// See `runner::call`.
  template <auto Method, class... Args>
  detail::answer_t<Method> call(Args&&... args) const {
    return call_for<Method>(default_call_timeout, std::forward<Args>(args)...);
  }

  /// See `runner::call_for`.
  template <auto Method, class... Args>
  detail::answer_t<Method> call_for(std::chrono::nanoseconds timeout,
                                    Args&&... args) const {
    check<Method>();
    return detail::call_at<Method, T>(*target(), timeout,
                                      std::forward<Args>(args)...);
  }

  /// See `runner::async`.
  template <auto Method, class... Args>
  future<detail::answer_t<Method>> async(Args&&... args) const {
    check<Method>();
    return detail::async_at<Method, T>(target(), std::forward<Args>(args)...);
  }

  /// See `runner::post`.
  template <auto Method, class... Args>
  void post(Args&&... args) const {
    check<Method>();
    detail::post_at<Method, T>(*target(), std::forward<Args>(args)...);
  }

  /// Returns whether it refers to something.
  explicit operator bool() const noexcept { return target_ != nullptr; }

  /// Returns what it refers to, or throws `usage_error`; used by puma itself.
  [[nodiscard]] const detail::target_ptr& target() const {
    if (!target_)
      detail::throw_refers_to_nothing();
    return target_;
  }

 private:
  template <auto Method>
  static constexpr void check() {
    static_assert(std::is_base_of_v<detail::class_of<Method>, T>,
                  "call: the method is one of another class");
  }

  detail::target_ptr target_;
};

/// A reference crosses as what it denotes.
template <class T>
struct codec<remote<T>> {
  static constexpr std::size_t least_bytes = 8;

  static void encode(encoder& to, const remote<T>& x) {
    detail::export_reference(to, x.target());
  }

  static void decode(decoder& from, remote<T>& x) {
    if (auto target = detail::import_reference(from))
      x = remote<T>{std::move(target)};
  }
};

} // namespace puma
