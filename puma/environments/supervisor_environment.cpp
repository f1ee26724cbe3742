// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/supervisor_environment.hpp"

#include "puma/actors/internal/supervision.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace puma {

using internal::run_record;

// -- environment --------------------------------------------------------------

supervisor_environment
environment::supervisor(std::string name,
                        const supervision_policy& policy) const {
  auto& rt = owner();
  auto made = rt.core().supervisors().add_supervisor(node(), std::move(name),
                                                     policy);
  return supervisor_environment{rt, share(), std::move(made), {}};
}

std::shared_ptr<internal::supervisor_node> environment::node() const {
  return nullptr;
}

// -- supervisor ---------------------------------------------------------------

supervisor_environment::supervisor_environment(
  runtime& rt, std::shared_ptr<const environment> where,
  std::shared_ptr<internal::supervisor_node> node, value_policy values) noexcept
  : runtime_(&rt),
    where_(std::move(where)),
    node_(std::move(node)),
    values_(std::move(values)) {}

const std::string& supervisor_environment::name() const noexcept {
  return node_->name;
}

supervisor_environment
supervisor_environment::in(const environment& where) const {
  if (&where.owner() != runtime_)
    throw usage_error{"supervisor '" + name()
                      + "': the environment belongs to another runtime"};
  return {*runtime_, where.share(), node_, values_};
}

supervisor_environment supervisor_environment::with(value_policy values) const {
  return {*runtime_, where_, node_, std::move(values)};
}

void supervisor_environment::on_event(
  std::function<void(const supervision_event&)> what) const {
  if (!what)
    throw usage_error{"supervisor '" + name() + "': on_event got no function"};
  runtime_->core().supervisors().listen(*node_, std::move(what));
}

void supervisor_environment::on_event(
  const buffer<supervision_event>& to) const {
  on_event([out = std::make_shared<publisher<supervision_event>>(
              to.open_publisher({}))](const supervision_event& x) {
    if (out->try_publish(supervision_event{x}) != publish_result::full)
      return;
    log(log_level::warning, "puma.supervision",
        "buffer '" + std::string{out->name()} + "': full, an event of kind "
          + std::string{to_string(x.what)} + " was dropped");
  });
}

void supervisor_environment::start_all(std::chrono::nanoseconds timeout) const {
  auto& all = runtime_->core().all();
  const auto deadline = internal::deadline_after(timeout);
  std::vector<std::shared_ptr<run_record>> started;
  const auto undo = [&] {
    for (auto i = started.rbegin(); i != started.rend(); ++i) {
      all.stop(**i);
      static_cast<void>(all.wait_for_teardown(**i));
    }
  };
  for (auto& x : all.supervisors().prepared_of(*node_)) {
    try {
      all.start(x);
      started.push_back(x);
      if (!all.wait_until_ready(*x, deadline))
        throw timeout_error{
          "supervisor '" + name() + "': " + all.display_name(*x)
          + " was not running in time; it is in " + all.activity_of(*x)};
      if (auto error = all.claim(*x))
        error->rethrow();
    } catch (...) {
      undo();
      throw;
    }
  }
}

bool supervisor_environment::stop_all(std::chrono::nanoseconds timeout) const {
  auto& all = runtime_->core().all();
  const auto deadline = internal::deadline_after(timeout);
  auto children = all.supervisors().children_of(*node_, true);
  std::reverse(children.begin(), children.end());
  bool in_time = true;
  for (auto& x : children) {
    all.stop(*x);
    in_time = in_time && all.wait_until_ended(*x, deadline);
  }
  return in_time;
}

void supervisor_environment::adopt(const detail::buffer_core_ptr& x) const {
  where_->adopt(x);
}

runner supervisor_environment::prepare(bool own_thread,
                                       detail::recipe_ptr recipe,
                                       detail::care_ptr) const {
  auto care = std::make_shared<internal::supervised>();
  care->node = node_;
  care->values = values_;
  if (values_.keeps_values() && !node_->may_restart())
    throw usage_error{"supervisor '" + name()
                      + "': a value policy needs a supervisor that restarts, "
                        "and '"
                      + recipe->name() + "' would not be"};
  auto result = where_->prepare(own_thread, std::move(recipe), care);
  runtime_->core().supervisors().add_prepared(care, detail::record_of(result));
  return result;
}

runner supervisor_environment::prepare_here(bool own_thread,
                                            detail::recipe_ptr recipe) const {
  return where_->prepare_here(own_thread, std::move(recipe));
}

std::shared_ptr<const environment> supervisor_environment::share() const {
  return where_->share();
}

runtime& supervisor_environment::owner() const noexcept {
  return *runtime_;
}

bool supervisor_environment::is_local() const noexcept {
  return where_->is_local();
}

std::shared_ptr<internal::supervisor_node>
supervisor_environment::node() const {
  return node_;
}

} // namespace puma
