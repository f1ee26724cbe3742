// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/status_value.hpp"
#include "puma/actors/remote.hpp"
#include "puma/base/failure.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <typeinfo>
#include <utility>

namespace caf {
class actor;
} // namespace caf

namespace puma {

namespace internal {
struct run_record;
} // namespace internal

class runner;

namespace detail {

[[nodiscard]] std::shared_ptr<internal::run_record> record_of(const runner& x);

} // namespace detail

/// The owner's handle on one runnable.
///
/// *Threads.* All functions may be called from any thread; moving and
/// destroying need exclusive use.
///
/// *Lifetime.* Leaving the runner's scope stops the runnable, waits for its end
/// (at most `runtime_options::teardown_timeout`, 30 s by default, shared by all
/// runners that go in a row) and reports what is left to say in the log; it
/// never throws and never hangs. Within the hooks of a pooled runnable it does
/// not wait.
///
/// *Failure.* An error that ended the runnable and that nobody downstream took
/// is thrown once: by the first of `check_for_exceptions`, `wait_until_running`
/// and `runtime::join`.
class runner {
 public:
  /// A runner of nothing; using it is a `usage_error`.
  runner() noexcept = default;

  explicit runner(std::shared_ptr<internal::run_record> record) noexcept;

  runner(runner&&) noexcept = default;
  runner& operator=(runner&& other) noexcept;

  ~runner();

  /// Starts a runnable that `environment::make` prepared. Starting twice is a
  /// `usage_error`.
  void start();

  /// Waits until the runnable has been constructed. Throws its error if it
  /// failed. One that has run and ended counts.
  void wait_until_running();

  /// As above; returns false if `timeout` was not enough.
  [[nodiscard]] bool wait_until_running_for(std::chrono::nanoseconds timeout);

  /// Returns the runnable as an actor, for users of CAF; see `puma/caf.hpp`.
  /// Throws `usage_error` before the start and when it is in another process,
  /// and `runnable_ended` after the end.
  [[nodiscard]] caf::actor actor() const;

  // -- calls ------------------------------------------------------------------

  /// Calls a method of the runnable in its scope, between two of its values and
  /// not behind those that wait: `runner.call<&squarer::set_factor>(3)`. Waits
  /// for the result, and returns it or throws the method's exception with its
  /// type.
  ///
  /// Arguments and result are moved or copied there and back. A result that
  /// cannot leave its process, by docs/crossing.md, stays in its scope and
  /// comes back as a `remote` reference. Called within a hook of that same
  /// runnable, the method runs at once.
  ///
  /// *Failure.* `usage_error` before the start, in another pooled runnable
  /// (which must use `async`), when the runnable has no such method, or when
  /// arguments or result cannot cross; `runnable_ended` when it has ended, or
  /// ends before it answers; `buffer_full` when very many calls wait for it;
  /// `timeout_error` after `default_call_timeout`, and then a call that has not
  /// begun is withdrawn, if it is in this process.
  template <auto Method, class... Args>
  detail::answer_t<Method> call(Args&&... args) const {
    return call_for<Method>(default_call_timeout, std::forward<Args>(args)...);
  }

  /// As above, with another time limit.
  template <auto Method, class... Args>
  detail::answer_t<Method> call_for(std::chrono::nanoseconds timeout,
                                    Args&&... args) const {
    return detail::call_at<Method, detail::class_of<Method>>(
      *target(), timeout, std::forward<Args>(args)...);
  }

  /// As `call`, but does not wait; errors that come later are thrown by the
  /// future.
  template <auto Method, class... Args>
  future<detail::answer_t<Method>> async(Args&&... args) const {
    return detail::async_at<Method, detail::class_of<Method>>(
      target(), std::forward<Args>(args)...);
  }

  /// As `async`, but nobody hears of the result. An exception of the method is
  /// like one of a hook: it ends the runnable. When the runnable has ended, the
  /// call is dropped with a warning.
  template <auto Method, class... Args>
  void post(Args&&... args) const {
    detail::post_at<Method, detail::class_of<Method>>(
      *target(), std::forward<Args>(args)...);
  }

  /// Returns a reference to the runnable, for others to call it: it may be
  /// copied and sent to other runnables, and does not keep the runnable alive.
  template <class T>
  [[nodiscard]] remote<T> as() const {
    return remote<T>{target()};
  }

  // -- status -----------------------------------------------------------------

  /// Returns the latest status of type `S` that the runnable has published
  /// since it was asked for last; nothing if there is none. Also after the end.
  template <class S>
  [[nodiscard]] std::optional<S> latest_status() {
    return value_of<S>(take_status(typeid(S)));
  }

  /// As above, but waits for one. Returns nothing after `timeout`, or as soon
  /// as the runnable has ended without one. A pooled runnable must not wait:
  /// `usage_error`.
  template <class S>
  [[nodiscard]] std::optional<S>
  wait_for_status(std::chrono::nanoseconds timeout) {
    return value_of<S>(take_status_for(typeid(S), timeout));
  }

  // -- the end ----------------------------------------------------------------

  /// Asks the runnable to end after the value in hand, and after the calls that
  /// were sent to it before. Does not wait.
  void stop();

  /// Waits until the runnable has ended and its object is gone.
  void join();

  /// As above; returns false if it is still alive after `timeout`.
  [[nodiscard]] bool join_for(std::chrono::nanoseconds timeout);

  /// Returns whether it was started and has not ended.
  [[nodiscard]] bool is_alive() const;

  /// Returns kind and name, such as `runnable 'squarer'`.
  [[nodiscard]] std::string name() const;

  /// Throws the error that ended the runnable, with its own type, unless it was
  /// taken or thrown before.
  void check_for_exceptions();

  /// Returns the error that ended the runnable, thrown or not.
  [[nodiscard]] std::optional<failure> last_failure() const;

 private:
  friend std::shared_ptr<internal::run_record>
  detail::record_of(const runner& x);

  [[nodiscard]] internal::run_record& record() const;
  [[nodiscard]] detail::target_ptr target() const;
  detail::status_ptr take_status(const std::type_info& type);
  detail::status_ptr take_status_for(const std::type_info& type,
                                     std::chrono::nanoseconds timeout);

  template <class S>
  static std::optional<S> value_of(const detail::status_ptr& x) {
    auto* typed = dynamic_cast<detail::typed_status<S>*>(x.get());
    return typed ? std::optional<S>{std::move(typed->value)} : std::nullopt;
  }

  void tear_down() noexcept;

  std::shared_ptr<internal::run_record> record_;
};

} // namespace puma
