// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/supervised.hpp"
#include "puma/actors/supervision_event.hpp"
#include "puma/base/internal/waker.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace puma::internal {

class registry;

/// One supervisor of a runtime's tree. Guarded by the mutex of `supervision`,
/// save for the constants.
struct supervisor_node {
  using listener = std::function<void(const supervision_event&)>;

  const std::string name;
  const supervision_policy policy;
  const std::shared_ptr<supervisor_node> parent; // null for the root
  std::vector<std::weak_ptr<supervisor_node>> supervisors;
  std::vector<std::shared_ptr<supervised>> children; // in order of their start
  std::vector<std::weak_ptr<run_record>> prepared;
  std::deque<time_point> restarts; // within the period
  std::uint32_t in_a_row = 0;      // restarts of it as a whole
  time_point last_restart{};
  std::optional<failure> gave_up;
  std::vector<listener> listeners;

  /// Returns whether what fails here may be started again, by this supervisor
  /// or by one above.
  [[nodiscard]] bool may_restart() const noexcept {
    return policy.then == on_failure::restart
           || (parent && parent->may_restart());
  }
};

/// Decides what becomes of supervised runnables that fail, and remembers what
/// that takes. Its decisions are made by one actor, the overseer, in the order
/// in which things happen.
///
/// *Threads.* All functions but `work` may be called from any thread. The
/// registry's mutex may be locked by the caller of `tell_stopped` only.
class supervision {
 public:
  using node_ptr = std::shared_ptr<supervisor_node>;
  using child_ptr = std::shared_ptr<supervised>;

  explicit supervision(registry& runs);

  supervision(const supervision&) = delete;
  supervision& operator=(const supervision&) = delete;

  ~supervision();

  /// Sets who is woken when there is work; null when the runtime goes.
  void set_actor(waker* x);

  /// Adds a supervisor; `parent` may be null, which stands for the root.
  /// Throws `usage_error` for what makes no sense.
  node_ptr add_supervisor(node_ptr parent, std::string name,
                          const supervision_policy& policy);

  /// Notes a child that may be started later.
  void add_prepared(const child_ptr& x,
                    const std::shared_ptr<run_record>& record);

  /// Returns children that have not been started, in order.
  [[nodiscard]] std::vector<std::shared_ptr<run_record>>
  prepared_of(supervisor_node& x);

  /// Adds a child, before its start.
  void add_child(const child_ptr& x, const std::shared_ptr<run_record>& record);

  void listen(supervisor_node& to, supervisor_node::listener what);

  /// Returns the records of children that are left, in order of their start.
  [[nodiscard]] std::vector<std::shared_ptr<run_record>>
  children_of(const supervisor_node& x, bool with_descendants) const;

  // -- told by the registry ---------------------------------------------------

  void tell_constructed(run_record& x, std::vector<const queue*> inputs,
                        std::vector<const queue*> outputs);
  void tell_suspended(run_record& x, suspension left);
  void tell_ended(run_record& x);
  /// The owner wants `x` to end.
  void tell_stopped(run_record& x, wake_list& wakes);

  // -- of the overseer --------------------------------------------------------

  /// Makes all decisions that are due; returns when the next one is.
  time_point work();

 private:
  using guard = std::unique_lock<std::mutex>;

  /// What is to be done without the mutex.
  using actions = std::vector<std::function<void()>>;

  void post(std::function<void(actions&)> what);
  void on_constructed(supervised& x, std::vector<const queue*> inputs,
                      std::vector<const queue*> outputs, actions& out);
  void on_suspended(supervised& x, suspension left, actions& out);
  void on_ended(supervised& x, actions& out);
  void on_stopped(supervised& x, actions& out);
  void on_failed(supervised& x, actions& out);
  bool settle_value(supervised& x, actions& out);
  [[nodiscard]] bool is_consequence(supervised& x, time_point now);
  [[nodiscard]] std::set<const queue*> reached_by(const supervisor_node& node,
                                                  const supervised& from) const;
  void restart_with(supervised& x, actions& out);
  void suspend(supervised& x, time_point due, actions& out);
  void suspend_all(supervisor_node& node, time_point due, actions& out);
  void give_up(supervisor_node& node, const failure& why, actions& out);
  static void forget_spent(supervisor_node& node);
  void end_all(supervisor_node& node, const failure& why, actions& out);
  void finish(supervised& x, const failure* error, actions& out);
  bool spend(supervisor_node& node, time_point now);
  [[nodiscard]] std::chrono::nanoseconds
  backoff(const supervision_policy& policy, std::uint32_t in_a_row);
  void start_due(supervisor_node& node, time_point now, time_point& next,
                 actions& out);
  void say(supervisor_node& node, supervision_event::kind what,
           const supervised* child, std::string text, actions& out);
  [[nodiscard]] static std::string name_of(const supervised& x);
  [[nodiscard]] static child_ptr child_of(const run_record& x);

  registry& runs_;
  mutable std::mutex mutex_;
  node_ptr root_; // of runnables without a supervisor, too
  std::vector<std::weak_ptr<supervisor_node>> nodes_; // the root first
  std::mt19937_64 random_;

  mutable std::mutex inbox_mutex_; // a leaf: nothing is locked under it
  std::vector<std::function<void(actions&)>> inbox_;
  waker* actor_ = nullptr;
};

} // namespace puma::internal
