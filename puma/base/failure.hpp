// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace puma {

namespace internal {
struct failure_record;
struct failure_access;
} // namespace internal

/// What ended a runnable or a stream: the exception, and where it came from.
///
/// *Threads.* An immutable value; copies share one record and may be used from
/// any thread.
///
/// *Identity.* All copies of a failure carry the same `id`, however many stages
/// it passed through. That is how it is thrown once and not once per stage.
class failure {
 public:
  /// Describes `exception`, which came out of `activity` of `runnable`. `cause`
  /// is the failure that was already known when this one occurred.
  failure(std::exception_ptr exception, std::string runnable,
          std::string activity, std::optional<failure> cause = {});

  /// Describes an error that an application reports by `publisher::fail`.
  explicit failure(std::exception_ptr exception);

  /// Returns a number that no other failure has, in this process or another.
  [[nodiscard]] std::uint64_t id() const noexcept;

  /// Returns the readable name of the exception's type.
  [[nodiscard]] std::string_view type() const noexcept;

  /// Returns the exception's text, or a note that it has none.
  [[nodiscard]] std::string_view text() const noexcept;

  /// Returns the name of the runnable in which it occurred; empty when it was
  /// reported from a plain thread.
  [[nodiscard]] std::string_view runnable() const noexcept;

  /// Returns the process in which it occurred, as `host/pid`.
  [[nodiscard]] std::string_view node() const noexcept;

  /// Returns what the runnable was doing, such as `on_value (value 17)`.
  [[nodiscard]] std::string_view activity() const noexcept;

  /// Returns the failure that was known before this one, if any.
  [[nodiscard]] const failure* cause() const noexcept;

  /// Returns the exception itself; never null.
  [[nodiscard]] const std::exception_ptr& exception() const noexcept;

  /// Throws the exception, with its own type. Within the catch clause,
  /// `current_failure` tells where it came from.
  [[noreturn]] void rethrow() const;

  /// Returns one line with all of the above, fit for a log.
  [[nodiscard]] std::string describe() const;

 private:
  friend struct internal::failure_access;

  explicit failure(
    std::shared_ptr<const internal::failure_record> record) noexcept;

  std::shared_ptr<const internal::failure_record> record_;
};

/// Within a catch clause: the origin of the exception being handled, when it
/// was thrown to this thread by puma on behalf of a runnable or a stream.
[[nodiscard]] std::optional<failure> current_failure();

} // namespace puma
