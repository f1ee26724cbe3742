// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"
#include "puma/actors/detail/scope_job.hpp"
#include "puma/base/failure.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <typeinfo>

namespace puma {

class encoder;
class decoder;

namespace internal {
class waker;
} // namespace internal

} // namespace puma

namespace puma::detail {

/// What is known of the calls of one method in this process, for warnings: each
/// is logged once.
struct call_traffic {
  std::atomic<std::int64_t> window{0}; // when the running second began, in ns
  std::atomic<std::uint32_t> count{0}; // calls in it
  std::atomic<bool> said_frequent{false};
  std::atomic<bool> said_slow{false};
};

/// What all calls of one method share.
struct method_info {
  std::string name;     ///< Such as `squarer::set_factor`.
  std::string activity; ///< What the runnable does meanwhile.
  call_traffic traffic;
};

/// Identifies the runnable itself among the objects of its scope.
inline constexpr std::uint64_t own_object = 0;

/// One call of a method: on its way to the scope of its object, and its result
/// or error on the way back.
///
/// *Threads.* All functions may be called from any thread; `run` only in the
/// scope of the object.
class call_core : public scope_job,
                  public std::enable_shared_from_this<call_core> {
 public:
  enum class mode : std::uint8_t {
    answered, ///< Somebody waits for the result.
    one_way,  ///< Nobody does: an exception is the runnable's own.
  };

  call_core(method_info& method, mode how) noexcept
    : method_(method),
      mode_(how) {}

  /// Which object of the scope the method is called on.
  std::uint64_t object = own_object;

  [[nodiscard]] method_info& method() const noexcept { return method_; }

  [[nodiscard]] mode how() const noexcept { return mode_; }

  // -- for the caller ---------------------------------------------------------

  [[nodiscard]] bool ready() const noexcept;

  /// Waits for the answer; returns false if it is not there by `deadline`.
  bool wait(std::chrono::steady_clock::time_point deadline);

  /// Throws the error if that is the answer.
  void check() const;

  /// Returns whether the answer is an error that nobody has asked for.
  [[nodiscard]] bool has_unseen_error() const noexcept;

  /// Returns the error if that is the answer; else null.
  [[nodiscard]] const failure* error() const noexcept;

  /// The answer is not wanted any more: a call that has not begun will not.
  /// Returns whether that is so.
  bool give_up() noexcept;

  /// Calls `listener` once the answer is there: on the thread that brings it,
  /// or at once. At most once per call.
  void when_ready(std::function<void()> listener);

  // -- for those who bring the answer -----------------------------------------

  /// The call is about to be made. Returns false if nobody wants it any more.
  [[nodiscard]] bool begin() noexcept;

  /// The result has been stored.
  void settle() { finish(nullptr); }

  void settle(const failure& error) { finish(&error); }

  // -- implementation of scope_job --------------------------------------------

  [[nodiscard]] const char* activity() const noexcept override {
    return method_.activity.c_str();
  }

  void run(internal::task& where) override;
  bool drop(const std::string& why) noexcept override;

  // -- crossing ---------------------------------------------------------------

  /// Returns why the call cannot go to another process; empty if it can.
  [[nodiscard]] virtual std::string obstacle() const = 0;

  /// Appends the arguments; nothing if they cannot cross.
  [[nodiscard]] virtual std::optional<crossing_key>
  encode_arguments(encoder& to) const = 0;

  virtual void encode_result(encoder& to) const = 0;

  /// Stores the result; `from` may fail.
  virtual void decode_result(decoder& from) = 0;

 protected:
  /// Calls the method and stores the result. Throws what the method throws.
  virtual void execute(internal::task& where) = 0;

 private:
  enum class phase : std::uint8_t { sent, running, settled };

  void finish(const failure* error);

  method_info& method_;
  const mode mode_;
  std::atomic<phase> phase_{phase::sent};
  mutable std::mutex mutex_;
  internal::waker* waiter_ = nullptr; // whoever waits, while asleep
  std::optional<failure> error_;
  mutable std::atomic<bool> error_seen_{false};
  std::function<void()> listener_;
};

using call_ptr = std::shared_ptr<call_core>;

/// Where calls go.
class call_target {
 public:
  virtual ~call_target() = default;

  /// Sends a call, which is then settled once, by its answer or by an error.
  /// Throws when it cannot be sent at all.
  virtual void send(const call_ptr& x) = 0;

  /// Returns the number of the object in its scope.
  [[nodiscard]] virtual std::uint64_t object() const noexcept {
    return own_object;
  }

  /// Returns whether the calling thread is in the scope that calls go to.
  [[nodiscard]] virtual bool is_here() const = 0;

  /// Returns kind and name, such as `runnable 'squarer'`.
  [[nodiscard]] virtual std::string describe() const = 0;

  /// Returns what it is doing now, for reports; may be empty.
  [[nodiscard]] virtual std::string current_activity() const = 0;
};

using target_ptr = std::shared_ptr<call_target>;

/// Sends a call.
void start_call(call_target& to, const call_ptr& x);

/// Sends a call and waits for the answer; throws its error, `timeout_error`, or
/// `usage_error` in a pooled runnable. In the scope of the object itself, it
/// calls the method at once.
void make_call(call_target& to, const call_ptr& x,
               std::chrono::nanoseconds timeout);

/// Waits for the answer to a call that was sent, in the same way.
void await_answer(const call_target& to, call_core& x,
                  std::chrono::nanoseconds timeout);

/// Gives `job` to the runnable whose hook is running on this thread once the
/// answer is there. Throws `usage_error` outside of hooks.
void continue_with(call_core& x, const job_ptr& job);

/// Returns the runnable that `where` hosts.
[[nodiscard]] runnable& runnable_in(internal::task& where);

/// Returns the object that `where` keeps under this number; null if there is
/// none, or it is of another type.
[[nodiscard]] void* object_in(internal::task& where, std::uint64_t number,
                              const std::type_info& type);

[[noreturn]] void throw_used_up();

[[noreturn]] void throw_refers_to_nothing();

[[noreturn]] void throw_wrong_type(internal::task& where,
                                   const method_info& method);

} // namespace puma::detail
