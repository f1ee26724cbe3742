// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace puma {

namespace internal {
struct run_record;
} // namespace internal

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

  /// Asks the runnable to end after the value in hand. Does not wait.
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
  [[nodiscard]] internal::run_record& record() const;
  void tear_down() noexcept;

  std::shared_ptr<internal::run_record> record_;
};

} // namespace puma
