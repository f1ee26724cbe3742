// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/supervision_event.hpp"
#include "puma/actors/supervision_policy.hpp"
#include "puma/actors/value_policy.hpp"
#include "puma/environments/environment.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace puma {

namespace internal {
struct supervisor_node;
} // namespace internal

/// Watches over runnables, and decides what happens when one fails: an
/// environment that starts its runnables where the one does that it was made
/// of. Supervisors form a tree, with the runtime at its root.
///
/// A restart makes a new object from copies of the arguments of `run`, in the
/// same kind of place. Buffers belong to neither end, so nothing that was not
/// taken is lost: the streams of the runnable stay open, calls that had not
/// begun wait for the successor, and the runner stays the same. What a failed
/// attempt has published stays published.
///
/// *Threads.* All functions may be called from any thread, also from hooks.
///
/// *Lifetime.* A cheap handle; its runtime must outlive it. The supervisor
/// lives as long as handles or children of it do.
///
/// *Failure.* A supervisor that gives up fails the outputs of its children with
/// `restarts_exhausted`, whose causes tell what happened; see `failure::cause`.
/// Where no stream takes it, `runtime::join` throws it.
class supervisor_environment final : public environment {
 public:
  /// Used by `environment::supervisor`.
  supervisor_environment(runtime& rt, std::shared_ptr<const environment> where,
                         std::shared_ptr<internal::supervisor_node> node,
                         value_policy values) noexcept;

  [[nodiscard]] const std::string& name() const noexcept;

  /// Returns this supervisor, for runnables that start in `where`: one
  /// supervisor may look after threads and processes.
  [[nodiscard]] supervisor_environment in(const environment& where) const;

  /// Returns this supervisor, for runnables with that value policy. It must be
  /// one that restarts, or have one above; otherwise starting a runnable there
  /// is a `usage_error`.
  [[nodiscard]] supervisor_environment with(value_policy values) const;

  /// Calls `what` for everything that happens to the children, and to those of
  /// supervisors below. It is called by the actor that makes the decisions,
  /// must not wait, and what it throws is logged.
  void on_event(std::function<void(const supervision_event&)> what) const;

  /// As above, but publishes the events. Those for which there is no room are
  /// dropped, and logged. The stream does not complete before the program
  /// drains: stop who consumes it.
  void on_event(const buffer<supervision_event>& to) const;

  /// Starts all runnables that were made here with `make` and not started yet,
  /// in the order in which they were made, each one when the one before runs.
  /// If one fails, or is not running after `timeout` since the begin, stops
  /// those that this has started, last one first, and throws: its error, or
  /// `timeout_error`.
  void start_all(std::chrono::nanoseconds timeout = std::chrono::seconds{
                   30}) const;

  /// Stops all children that run, also those of supervisors below, the one that
  /// was started last first, each one when the one before has ended. Returns
  /// false if they have not ended after `timeout`; then all are told to stop.
  bool stop_all(std::chrono::nanoseconds timeout = std::chrono::seconds{
                  30}) const;

 protected:
  void adopt(const detail::buffer_core_ptr& x) const override;
  runner prepare(bool own_thread, detail::recipe_ptr recipe,
                 detail::care_ptr care) const override;
  runner prepare_here(bool own_thread,
                      detail::recipe_ptr recipe) const override;
  std::shared_ptr<const environment> share() const override;
  runtime& owner() const noexcept override;
  bool is_local() const noexcept override;
  std::shared_ptr<internal::supervisor_node> node() const override;

 private:
  runtime* runtime_;
  std::shared_ptr<const environment> where_;
  std::shared_ptr<internal::supervisor_node> node_;
  value_policy values_;
};

} // namespace puma
