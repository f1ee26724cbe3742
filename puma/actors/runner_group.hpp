// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runner.hpp"
#include "puma/base/failure.hpp"
#include "puma/buffers/detail/ends.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace puma {

namespace detail {

/// Tells runnables to stop: from the hook of another one, and without owning
/// them.
class stop_switch {
 public:
  explicit stop_switch(const std::vector<runner>& runners);

  void operator()() const;

 private:
  std::vector<std::shared_ptr<internal::run_record>> runs_;
};

} // namespace detail

/// The owner's handle on runnables that are one thing to him, such as those of
/// a `parallel_transform`.
///
/// *Threads, lifetime, failure.* As those of a `runner`. Leaving the scope
/// stops all members before it waits for any.
class runner_group {
 public:
  /// A group of nothing, which has ended.
  runner_group() noexcept = default;

  /// The members are started in this order. `name` says kind and name, such as
  /// `parallel_transform 'score'`. `inner` are the buffers between them, which
  /// live as long as the group.
  runner_group(std::string name, std::vector<runner> members,
               std::vector<detail::buffer_core_ptr> inner = {}) noexcept;

  runner_group(runner_group&&) noexcept = default;
  runner_group& operator=(runner_group&& other) noexcept;

  ~runner_group();

  /// Starts all members of a group that was only made. Starting twice is a
  /// `usage_error`.
  void start();

  /// Waits until all members have been constructed. Throws the error of one
  /// that failed.
  void wait_until_running();

  /// As above; returns false if `timeout` was not enough.
  [[nodiscard]] bool wait_until_running_for(std::chrono::nanoseconds timeout);

  /// Asks all members to end after the value in hand. Does not wait. Values on
  /// their way between members are discarded with a warning that counts them;
  /// where that matters, complete the input instead.
  void stop();

  /// Waits until all members have ended.
  void join();

  /// As above; returns false if one is still alive after `timeout`.
  [[nodiscard]] bool join_for(std::chrono::nanoseconds timeout);

  /// Returns whether a member is alive.
  [[nodiscard]] bool is_alive() const;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  /// Throws an error that ended a member, with its own type, unless it was
  /// taken or thrown before.
  void check_for_exceptions();

  /// Returns the error that ended a member, thrown or not.
  [[nodiscard]] std::optional<failure> last_failure() const;

 private:
  void stop_members() noexcept;

  std::string name_;
  std::vector<detail::buffer_core_ptr> inner_;
  std::vector<runner> members_; // go first
};

} // namespace puma
