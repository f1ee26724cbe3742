// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"
#include "puma/actors/detail/references.hpp"
#include "puma/actors/detail/status_value.hpp"
#include "puma/actors/late_ticks.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/logging/logger.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace puma {

template <class T>
class remote;

class runnable;

namespace detail {

/// Returns the host of `x`; throws `usage_error` outside of its scope.
[[nodiscard]] internal::task& task_of(const runnable& x);

} // namespace detail

/// One concurrent task: the base of what an environment runs.
///
/// Derive from one of the children, which say what drives the task:
/// `single_buffer_servicing_runnable`, `multi_buffer_servicing_runnable`,
/// `source_runnable` or `command_driven_runnable`.
///
/// *Scope.* An environment constructs the object in the scope in which it runs
/// and destroys it there. All hooks of one runnable are called one after the
/// other, though not always by the same thread.
///
/// One that is made by others is never run: it stays in the parent's scope, and
/// `environment::run` may make a child of it; see docs/attributes.md.
///
/// *Ends* when its owner stops it, when all inputs have completed, when it asks
/// for it with `stop`, or when an exception leaves one of its hooks. Then every
/// subscriber that has not had `on_complete` gets it, and the outputs are
/// completed, or failed with the error.
class runnable {
 public:
  /// With an empty name throws `usage_error`.
  explicit runnable(std::string name);

  runnable(const runnable&) = delete;
  runnable& operator=(const runnable&) = delete;

  virtual ~runnable();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  // -- ticks; to be called in the constructor or from a hook ------------------

  /// Sets the time between two calls of `on_tick`, which must be positive:
  /// otherwise throws `usage_error`. While it ticks, the new interval counts
  /// from the last tick. Does not start to tick.
  void set_tick_interval(std::chrono::nanoseconds interval,
                         late_ticks late = late_ticks::skip);

  /// Starts to tick: first after one interval. Without an interval throws
  /// `usage_error`; does nothing while it ticks.
  void resume_ticks();

  /// Stops ticking, until `resume_ticks`.
  void pause_ticks();

  /// Returns how many ticks did not come because they were late.
  [[nodiscard]] std::uint64_t missed_ticks() const;

 protected:
  /// Returns the logger that is named after this runnable: `log().info("{} of
  /// {}", i, n)`. To be called in the constructor or from a hook.
  [[nodiscard]] const logging::logger& log() const {
    if (!log_)
      log_.emplace(name_);
    return *log_;
  }

  /// Opens an output. To be called in the constructor or from a hook; from
  /// anywhere else it is a `usage_error`.
  template <class T>
  [[nodiscard]] publisher<T> publish_to(const buffer<T>& target,
                                        publish_options options = {}) {
    check_scope("publish_to");
    return target.open_publisher(options);
  }

  /// Returns a reference to an object that belongs to this runnable, or to the
  /// runnable itself (`refer_to(*this)`): for others to call its methods, in
  /// this scope. `object` must stay until the runnable ends. To be called in
  /// the constructor or from a hook; from anywhere else it is a `usage_error`.
  template <class T>
  [[nodiscard]] remote<T> refer_to(T& object) {
    check_scope("refer_to");
    if constexpr (std::is_base_of_v<runnable, T>) {
      if (static_cast<runnable*>(&object) == this)
        return remote<T>{detail::refer_to_runnable(host())};
    }
    return remote<T>{detail::refer_in(host(), detail::lend(object))};
  }

  /// Tells the owner something: a value of any type, of which the latest one of
  /// each type is kept until the owner asks for it. Never waits. To be called
  /// in the constructor or from a hook; from anywhere else it is a
  /// `usage_error`, and so is, in another process, a value that cannot cross or
  /// takes more than half a megabyte.
  template <class S>
  void publish_status(S value) {
    check_scope("publish_status");
    detail::publish_status(
      host(), std::make_unique<detail::typed_status<S>>(std::move(value)));
  }

  /// Called once, before anything else.
  virtual void on_start() {}

  /// Called at each tick. `when` is the time at which it was due, which is a
  /// multiple of the interval after the first one, however late the call comes.
  /// All processes of a host have this clock. Neither values nor commands shift
  /// the schedule, and a tick does not wait behind values; the running hook is
  /// finished first. Ticks end with the runnable, and without inputs when the
  /// program drains.
  virtual void on_tick(std::chrono::steady_clock::time_point when) {
    static_cast<void>(when);
  }

  /// Asks for one call of `on_room`, as soon as any of the outputs has room for
  /// a value, or has ended. To be called in the constructor or from a hook.
  void await_room();

  /// Called when `await_room` has asked for it. For runnables that choose among
  /// outputs, where waiting for one of them would be wrong: they use
  /// `try_publish`, and may let their inputs rest until they are called here.
  virtual void on_room() {}

  /// Called when an error ends this runnable: its own, or one that arrived at
  /// an input. Returning true says that it has been handled: outputs complete
  /// instead of failing, and nothing is thrown to the owner.
  virtual bool on_error(const failure& error) {
    static_cast<void>(error);
    return false;
  }

  /// Ends this runnable when the running hook returns; values not yet handled
  /// stay in their buffers.
  void stop() noexcept;

  /// Throws `usage_error` unless called from a hook or the constructor.
  void check_scope(const char* what) const;

  /// Returns whether an environment has made it, to run it.
  [[nodiscard]] bool is_hosted() const noexcept { return host_ != nullptr; }

  /// @pre it is hosted
  [[nodiscard]] internal::task& host() const noexcept { return *host_; }

 private:
  friend class internal::task;
  friend internal::task& detail::task_of(const runnable& x);

  std::string name_;
  internal::task* host_;                       // null in the parent's scope
  mutable std::optional<logging::logger> log_; // made on first use
};

/// Lets the calling thread, or the calling dedicated runnable, sleep. A pooled
/// runnable must not: `usage_error`. Throws `stopped` when the runnable is told
/// to stop meanwhile.
void sleep_for(std::chrono::nanoseconds duration);

} // namespace puma
