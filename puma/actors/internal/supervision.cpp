// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/supervision.hpp"

#include "puma/actors/internal/registry.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/detail/ends.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.supervision";

using kind = supervision_event::kind;

void check(const std::string& name, const supervision_policy& x) {
  const auto fail = [&](const std::string& why) {
    throw usage_error{"supervisor '" + name + "': " + why};
  };
  if (name.empty())
    throw usage_error{"supervisor: the name must not be empty"};
  if (x.period.count() <= 0)
    fail("the period must be positive");
  if (x.first_backoff.count() < 0 || x.max_backoff < x.first_backoff)
    fail("the backoff must be from 0 up to a maximum that is not smaller");
  if (!(x.jitter >= 0 && x.jitter <= 1))
    fail("the jitter must be from 0 to 1");
  if (x.healthy_after.count() < 0 || x.cascade_window.count() < 0
      || x.stop_timeout.count() <= 0)
    fail("times must be positive");
}

std::string seconds(std::chrono::nanoseconds x) {
  auto text = std::to_string(std::chrono::duration<double>(x).count());
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.')
    text.pop_back();
  return text + " s";
}

/// Runs user code, which must not harm the overseer.
template <class F>
void guarded(const std::string& who, F what) {
  try {
    what();
  } catch (const std::exception& error) {
    log(log_level::error, logger, who + ": " + error.what());
  } catch (...) {
    log(log_level::error, logger, who + ": unknown exception");
  }
}

/// Storage for one value of any type.
class value_place {
 public:
  explicit value_place(const detail::value_ops& ops)
    : ops_(ops),
      at_(::operator new (ops.size, std::align_val_t{ops.align})) {}

  value_place(const value_place&) = delete;
  value_place& operator=(const value_place&) = delete;

  ~value_place() { ::operator delete (at_, std::align_val_t{ops_.align}); }

  [[nodiscard]] void* get() const noexcept { return at_; }

 private:
  const detail::value_ops& ops_;
  void* at_;
};

/// How long a runnable waits for room among its dead letters before it tries
/// again.
constexpr std::chrono::milliseconds letters_pause{20};

} // namespace

restart_terms terms_of(const supervised* x) {
  restart_terms result;
  if (!x || !x->node->may_restart())
    return result;
  result.on_failure = true;
  result.on_own_stop = x->node->policy.then == on_failure::restart
                       && x->node->policy.when == restart_when::always;
  result.keeps_values = x->values.keeps_values();
  return result;
}

supervision::supervision(registry& runs)
  : runs_(runs),
    root_(std::make_shared<supervisor_node>(
      supervisor_node{"root", {}, nullptr, {}, {}, {}, {}, 0, {}, {}, {}})),
    random_(std::random_device{}()) {
  nodes_.push_back(root_);
}

supervision::~supervision() {
  // Children and supervisors refer to each other.
  for (auto& weak : nodes_)
    if (const auto node = weak.lock()) {
      node->children.clear();
      node->listeners.clear();
    }
}

void supervision::set_actor(waker* x) {
  const guard lock{inbox_mutex_};
  actor_ = x;
}

supervision::node_ptr
supervision::add_supervisor(node_ptr parent, std::string name,
                            const supervision_policy& policy) {
  check(name, policy);
  const guard lock{mutex_};
  if (!parent)
    parent = root_;
  auto result = std::make_shared<supervisor_node>(supervisor_node{
    std::move(name), policy, parent, {}, {}, {}, {}, 0, {}, {}, {}});
  std::erase_if(parent->supervisors, [](const auto& x) { return x.expired(); });
  parent->supervisors.push_back(result);
  std::erase_if(nodes_, [](const auto& x) { return x.expired(); });
  nodes_.push_back(result);
  return result;
}

void supervision::add_prepared(const child_ptr& x,
                               const std::shared_ptr<run_record>& record) {
  const guard lock{mutex_};
  auto& all = x->node->prepared;
  std::erase_if(all, [](const auto& y) { return y.expired(); });
  all.push_back(record);
}

std::vector<std::shared_ptr<run_record>>
supervision::prepared_of(supervisor_node& x) {
  const guard lock{mutex_};
  std::vector<std::shared_ptr<run_record>> result;
  for (auto& weak : std::exchange(x.prepared, {}))
    if (auto record = weak.lock(); record && runs_.is_prepared(*record))
      result.push_back(std::move(record));
  return result;
}

void supervision::add_child(const child_ptr& x,
                            const std::shared_ptr<run_record>& record) {
  if (x->values.office)
    x->values.office->letters().queue()->add_token();
  const guard lock{mutex_};
  x->record = record;
  x->letters_open = x->values.office != nullptr;
  x->node->children.push_back(x);
}

void supervision::listen(supervisor_node& to, supervisor_node::listener what) {
  const guard lock{mutex_};
  to.listeners.push_back(std::move(what));
}

std::vector<std::shared_ptr<run_record>>
supervision::children_of(const supervisor_node& x,
                         bool with_descendants) const {
  const guard lock{mutex_};
  std::vector<std::shared_ptr<run_record>> result;
  const auto collect = [&](const auto& self,
                           const supervisor_node& node) -> void {
    for (auto& child : node.children)
      if (auto record = child->record.lock())
        result.push_back(std::move(record));
    if (with_descendants)
      for (auto& weak : node.supervisors)
        if (const auto below = weak.lock())
          self(self, *below);
  };
  collect(collect, x);
  return result;
}

// -- what happens -------------------------------------------------------------

void supervision::post(std::function<void(actions&)> what) {
  wake_list wakes;
  const guard lock{inbox_mutex_};
  inbox_.push_back(std::move(what));
  if (actor_)
    wakes.add(*actor_, wake::change);
}

supervision::child_ptr supervision::child_of(const run_record& x) {
  return x.care;
}

void supervision::tell_constructed(run_record& x,
                                   std::vector<const queue*> inputs,
                                   std::vector<const queue*> outputs) {
  post([this, child = child_of(x), in = std::move(inputs),
        out = std::move(outputs)](actions& todo) {
    on_constructed(*child, in, out, todo);
  });
}

void supervision::tell_suspended(run_record& x, suspension left) {
  post([this, child = child_of(x), left = std::move(left)](actions& todo) {
    on_suspended(*child, left, todo);
  });
}

void supervision::tell_ended(run_record& x) {
  post([this, child = child_of(x)](actions& todo) { on_ended(*child, todo); });
}

void supervision::tell_stopped(run_record& x, wake_list& wakes) {
  const guard lock{inbox_mutex_};
  inbox_.push_back(
    [this, child = child_of(x)](actions& todo) { on_stopped(*child, todo); });
  if (actor_)
    wakes.add(*actor_, wake::change);
}

time_point supervision::work() {
  auto next = no_deadline;
  for (;;) {
    std::vector<std::function<void(actions&)>> events;
    {
      const guard lock{inbox_mutex_};
      events.swap(inbox_);
    }
    actions todo;
    next = no_deadline;
    {
      const guard lock{mutex_};
      for (auto& event : events)
        event(todo);
      const auto now = current_time();
      for (std::size_t i = 0; i != nodes_.size(); ++i)
        if (const auto node = nodes_[i].lock())
          start_due(*node, now, next, todo);
    }
    if (todo.empty())
      return next;
    for (auto& action : todo)
      action();
  }
}

void supervision::on_constructed(supervised& x,
                                 std::vector<const queue*> inputs,
                                 std::vector<const queue*> outputs,
                                 actions& out) {
  x.inputs = std::move(inputs);
  x.outputs = std::move(outputs);
  x.constructed_at = current_time();
  const bool again = std::exchange(x.was_constructed, true);
  say(*x.node, again ? kind::restarted : kind::started, &x, {}, out);
}

void supervision::on_ended(supervised& x, actions& out) {
  if (std::exchange(x.now, supervised::state::ended)
      == supervised::state::ended)
    return;
  if (std::exchange(x.letters_open, false))
    out.push_back([office = x.values.office] {
      office->letters().queue()->complete_token();
    });
  say(*x.node, kind::stopped, &x, {}, out);
  std::erase_if(x.node->children,
                [&x](const auto& y) { return y.get() == &x; });
}

void supervision::on_stopped(supervised& x, actions& out) {
  if (x.now == supervised::state::suspended)
    finish(x, nullptr, out);
}

void supervision::on_suspended(supervised& x, suspension left, actions& out) {
  if (x.now == supervised::state::ended)
    return;
  const bool was_asked = x.now == supervised::state::suspending;
  x.now = supervised::state::suspended;
  x.left = std::move(left);
  if (x.node->gave_up) {
    finish(x, &*x.node->gave_up, out);
    return;
  }
  if (!was_asked)
    x.due = current_time();
  if (x.left.error) {
    on_failed(x, out);
  } else if (!was_asked) {
    // It has stopped itself, and is to run for ever.
    restart_with(x, out);
  }
}

void supervision::on_failed(supervised& x, actions& out) {
  auto& node = *x.node;
  const auto error = *x.left.error;
  say(node, kind::failed, &x, error.describe(), out);
  if (!settle_value(x, out)) {
    give_up(node,
            failure{std::make_exception_ptr(restarts_exhausted{
                      "supervisor '" + node.name + "': gave up, because "
                      + name_of(x) + " could not handle a value in "
                      + std::to_string(x.attempts) + " attempts"}),
                    "", "supervisor '" + node.name + "'", error},
            out);
    return;
  }
  restart_with(x, out);
}

void supervision::restart_with(supervised& x, actions& out) {
  auto& node = *x.node;
  const auto now = current_time();
  const auto give_up_on = [&](const std::string& why) {
    const auto text = "supervisor '" + node.name + "': gave up on " + name_of(x)
                      + why;
    give_up(node,
            failure{std::make_exception_ptr(restarts_exhausted{text}), "",
                    "supervisor '" + node.name + "'", x.left.error},
            out);
  };
  if (node.policy.then == on_failure::escalate
      || node.policy.when == restart_when::never)
    return give_up_on(", which it does not restart");
  if (!is_consequence(x, now)) {
    if (x.left.error) {
      x.failed_at = now;
      x.last_failure = x.left.error->id();
    }
    if (!spend(node, now))
      return give_up_on(" after " + std::to_string(x.restarts)
                        + " restarts: more than "
                        + std::to_string(node.policy.max_restarts)
                        + " failures within " + seconds(node.policy.period));
  }
  if (x.was_constructed && now - x.constructed_at >= node.policy.healthy_after)
    x.in_a_row = 0;
  const auto due = now + backoff(node.policy, x.in_a_row++);
  x.due = std::max(x.due, due);
  switch (node.policy.strategy) {
  case restart_strategy::one_for_one:
    return;
  case restart_strategy::one_for_all:
    return suspend_all(node, x.due, out);
  case restart_strategy::rest_for_one:
    break;
  }
  bool later = false;
  const auto reached = reached_by(node, x);
  const auto all = node.children;
  for (auto& y : all) {
    const bool is_rest = node.policy.rest == restart_rest::start_order
                           ? later
                           : std::any_of(y->inputs.begin(), y->inputs.end(),
                                         [&](const auto* q) {
                                           return reached.contains(q);
                                         });
    if (y.get() == &x)
      later = true;
    else if (is_rest)
      suspend(*y, x.due, out);
  }
}

std::set<const queue*> supervision::reached_by(const supervisor_node& node,
                                               const supervised& from) const {
  std::set<const queue*> result{from.outputs.begin(), from.outputs.end()};
  for (bool grows = true; grows;) {
    grows = false;
    for (auto& y : node.children)
      if (std::any_of(y->inputs.begin(), y->inputs.end(),
                      [&](const auto* q) { return result.contains(q); }))
        for (const auto* q : y->outputs)
          grows = result.insert(q).second || grows;
  }
  return result;
}

bool supervision::is_consequence(supervised& x, time_point now) {
  if (!x.left.error)
    return false;
  for (auto& y : x.node->children) {
    if (y.get() == &x || !y->failed_at
        || now - *y->failed_at > x.node->policy.cascade_window
        || x.excused_for == y->last_failure)
      continue;
    const auto reached = reached_by(*x.node, *y);
    if (y->last_failure == x.left.error->id()
        || std::any_of(x.inputs.begin(), x.inputs.end(),
                       [&](const auto* q) { return reached.contains(q); })) {
      x.excused_for = y->last_failure;
      return true;
    }
  }
  return false;
}

bool supervision::spend(supervisor_node& node, time_point now) {
  auto& spent = node.restarts;
  while (!spent.empty() && now - spent.front() >= node.policy.period)
    spent.pop_front();
  if (spent.size() >= node.policy.max_restarts)
    return false;
  spent.push_back(now);
  return true;
}

std::chrono::nanoseconds supervision::backoff(const supervision_policy& policy,
                                              std::uint32_t in_a_row) {
  if (in_a_row == 0)
    return {};
  const auto most = std::chrono::duration<double>(policy.max_backoff);
  auto wait = std::chrono::duration<double>(policy.first_backoff);
  wait *= std::pow(2.0, std::min(in_a_row - 1, 62u));
  std::uniform_real_distribution<double> share{-policy.jitter, policy.jitter};
  wait = std::min(wait, most) * (1 + share(random_));
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
    std::min(wait, most));
}

// -- the value in hand --------------------------------------------------------

bool supervision::settle_value(supervised& x, actions& out) {
  if (!x.left.value) {
    x.attempts = 0;
    return true;
  }
  const auto value = *x.left.value;
  // The first one that a successor gets is the one that failed.
  if (x.value_source != value.source.get() || value.handled_before != 0)
    x.attempts = 0;
  x.value_source = value.source.get();
  ++x.attempts;
  if (x.attempts <= x.values.retries)
    return true;
  if (x.values.then == value_policy::action::escalate)
    return false;
  auto& source = *value.source;
  if (x.values.office && x.values.office->value_type() != *source.ops().type) {
    log(log_level::error, logger,
        name_of(x) + ": gives up, because its dead letters are of another type "
          + "than the values of buffer '" + source.name() + "'");
    return false;
  }
  const value_place place{source.ops()};
  const auto taken = source.take_first(place.get());
  if (taken == queue::take_result::none)
    return true; // somebody else has it
  if (taken == queue::take_result::later) {
    --x.attempts;
    x.must_retry = true;
    return true;
  }
  const auto text = "the value of " + std::string{x.left.error->activity()}
                    + " after " + std::to_string(x.attempts) + " attempts";
  if (x.values.then == value_policy::action::dead_letter) {
    auto& office = *x.values.office;
    auto& letters = *office.letters().queue();
    const value_place letter{letters.ops()};
    office.write(letter.get(), place.get(), exit_record::of(*x.left.error),
                 x.attempts);
    const auto result = letters.try_append(letter.get());
    if (result == publish_result::accepted)
      letters.ops().destroy(letter.get(), 1);
    else
      office.unwrite(letter.get(), place.get());
    if (result == publish_result::full) {
      source.put_first(place.get());
      --x.attempts;
      x.must_retry = true;
      return true;
    }
    if (result == publish_result::accepted) {
      source.ops().destroy(place.get(), 1);
      source.count_dead_letter();
      say(*x.node, kind::dead, &x, text, out);
      return true;
    }
  }
  source.ops().destroy(place.get(), 1);
  source.count_skipped();
  log(log_level::warning, logger, name_of(x) + ": skipped " + text);
  say(*x.node, kind::skipped, &x, text, out);
  return true;
}

// -- restarts -----------------------------------------------------------------

void supervision::suspend(supervised& x, time_point due, actions& out) {
  switch (x.now) {
  case supervised::state::ended:
    return;
  case supervised::state::alive: {
    x.now = supervised::state::suspending;
    x.suspend_until = current_time() + x.node->policy.stop_timeout;
    if (auto record = x.record.lock())
      out.push_back([this, record = std::move(record)] {
        runs_.notify(*record, wake::suspend);
      });
    break;
  }
  default:
    break;
  }
  x.due = std::max(x.due, due);
}

void supervision::suspend_all(supervisor_node& node, time_point due,
                              actions& out) {
  const auto all = node.children;
  for (auto& x : all)
    suspend(*x, due, out);
  for (auto& weak : node.supervisors)
    if (const auto below = weak.lock())
      suspend_all(*below, due, out);
}

void supervision::start_due(supervisor_node& node, time_point now,
                            time_point& next, actions& out) {
  const auto all = node.children;
  bool waits = false;
  for (auto& x : all) {
    if (x->now != supervised::state::suspending)
      continue;
    if (now >= x->suspend_until) {
      auto record = x->record.lock();
      const auto doing = record ? runs_.activity_of(*record) : "";
      give_up(
        node,
        failure{std::make_exception_ptr(still_alive_error{
                  "supervisor '" + node.name + "': " + name_of(*x)
                  + " had to be restarted because of another one, and "
                    "did not end within "
                  + seconds(node.policy.stop_timeout) + "; it is in " + doing}),
                "", "supervisor '" + node.name + "'"},
        out);
      return;
    }
    next = std::min(next, x->suspend_until);
    waits = true;
  }
  if (waits)
    return; // those that belong together start together
  for (auto& x : all) {
    if (x->now != supervised::state::suspended)
      continue;
    if (now < x->due) {
      next = std::min(next, x->due);
      continue;
    }
    if (std::exchange(x->must_retry, false)) {
      // There was no room for the value that it could not handle.
      if (!settle_value(*x, out)) {
        x->must_retry = true;
      }
      if (x->must_retry) {
        x->due = now + letters_pause;
        next = std::min(next, x->due);
        continue;
      }
    }
    auto record = x->record.lock();
    if (!record)
      continue;
    x->now = supervised::state::alive;
    ++x->restarts;
    out.push_back([this, record = std::move(record),
                   held = std::move(x->left.held)]() mutable {
      guarded("restart", [&] { runs_.restart(record, std::move(held)); });
    });
    x->left = {};
  }
}

// -- giving up ----------------------------------------------------------------

void supervision::give_up(supervisor_node& node, const failure& why,
                          actions& out) {
  if (node.gave_up)
    return;
  log(log_level::error, logger, why.describe());
  say(node, kind::gave_up, nullptr, why.describe(), out);
  // The first one above that restarts does so, with all that is below it.
  auto cause = why;
  std::shared_ptr<supervisor_node> above = node.parent;
  const auto* below = &node;
  for (; above && above != root_; below = above.get(), above = above->parent) {
    const auto now = current_time();
    if (above->policy.then == on_failure::restart
        && above->policy.when != restart_when::never && spend(*above, now)) {
      if (now - above->last_restart >= above->policy.healthy_after)
        above->in_a_row = 0;
      above->last_restart = now;
      const auto due = now + backoff(above->policy, above->in_a_row++);
      const auto whole = above->policy.strategy == restart_strategy::one_for_one
                           ? below
                           : above.get();
      suspend_all(const_cast<supervisor_node&>(*whole), due, out);
      forget_spent(const_cast<supervisor_node&>(*whole));
      return;
    }
    cause = failure{std::make_exception_ptr(restarts_exhausted{
                      "supervisor '" + above->name + "': gave up, because '"
                      + below->name + "' below it did"}),
                    "", "supervisor '" + above->name + "'", cause};
    log(log_level::error, logger, cause.describe());
    say(*above, kind::gave_up, nullptr, cause.describe(), out);
  }
  end_all(const_cast<supervisor_node&>(*below), cause, out);
}

void supervision::forget_spent(supervisor_node& node) {
  node.restarts.clear();
  for (auto& x : node.children)
    x->in_a_row = 0;
  for (auto& weak : node.supervisors)
    if (const auto below = weak.lock())
      forget_spent(*below);
}

void supervision::end_all(supervisor_node& node, const failure& why,
                          actions& out) {
  node.gave_up = why;
  const auto all = node.children;
  for (auto& x : all) {
    if (x->now == supervised::state::suspended)
      finish(*x, &why, out);
    else
      suspend(*x, no_deadline, out);
  }
  for (auto& weak : node.supervisors)
    if (const auto below = weak.lock())
      end_all(*below, why, out);
}

void supervision::finish(supervised& x, const failure* error, actions& out) {
  x.now = supervised::state::alive; // until `on_ended`
  auto record = x.record.lock();
  if (!record)
    return;
  out.push_back([this, record = std::move(record),
                 held = std::move(x.left.held),
                 why = error ? std::optional{*error} : std::nullopt] {
    runs_.finish(*record, held, why ? &*why : nullptr);
  });
  x.left = {};
}

// -- events -------------------------------------------------------------------

std::string supervision::name_of(const supervised& x) {
  const auto record = x.record.lock();
  return record ? record->owner->display_name(*record) : "a runnable";
}

void supervision::say(supervisor_node& node, supervision_event::kind what,
                      const supervised* child, std::string text, actions& out) {
  supervision_event event{
    what, node.name, {}, std::move(text), child ? child->restarts : 0};
  if (const auto record = child ? child->record.lock() : nullptr)
    event.runnable = record->owner->plain_name(*record);
  for (auto* up = &node; up; up = up->parent.get())
    for (auto& listener : up->listeners)
      out.push_back([listener, event] {
        guarded("supervisor '" + event.supervisor + "': on_event",
                [&] { listener(event); });
      });
}

} // namespace puma::internal
