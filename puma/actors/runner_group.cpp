// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/runner_group.hpp"

#include "puma/actors/internal/registry.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace puma {

namespace detail {

stop_switch::stop_switch(const std::vector<runner>& runners) {
  for (auto& x : runners)
    runs_.push_back(record_of(x));
}

void stop_switch::operator()() const {
  for (auto& x : runs_)
    x->owner->stop(*x);
}

} // namespace detail

namespace {

/// What is left of a time limit that several waits share.
std::chrono::nanoseconds time_until(internal::time_point deadline) {
  if (deadline == internal::no_deadline)
    return std::chrono::nanoseconds::max();
  return std::max(deadline - internal::current_time(),
                  internal::time_point::duration::zero());
}

} // namespace

runner_group::runner_group(std::string name, std::vector<runner> members,
                           std::vector<detail::buffer_core_ptr> inner) noexcept
  : name_(std::move(name)),
    inner_(std::move(inner)),
    members_(std::move(members)) {}

runner_group& runner_group::operator=(runner_group&& other) noexcept {
  if (this != &other) {
    stop_members();
    members_ = std::move(other.members_);
    inner_ = std::move(other.inner_);
    name_ = std::move(other.name_);
  }
  return *this;
}

runner_group::~runner_group() {
  stop_members();
}

void runner_group::stop_members() noexcept {
  try {
    for (auto& x : members_)
      if (x.is_alive())
        x.stop();
  } catch (const std::exception& error) {
    // Each of them stops its own, too.
    log(log_level::error, "puma.actors",
        name_ + ": could not be stopped: " + error.what());
  }
}

void runner_group::start() {
  for (auto& x : members_)
    x.start();
}

void runner_group::wait_until_running() {
  for (auto& x : members_)
    x.wait_until_running();
}

bool runner_group::wait_until_running_for(std::chrono::nanoseconds timeout) {
  const auto deadline = internal::deadline_after(timeout);
  for (auto& x : members_)
    if (!x.wait_until_running_for(time_until(deadline)))
      return false;
  return true;
}

void runner_group::stop() {
  for (auto& x : members_)
    x.stop();
}

void runner_group::join() {
  for (auto& x : members_)
    x.join();
}

bool runner_group::join_for(std::chrono::nanoseconds timeout) {
  const auto deadline = internal::deadline_after(timeout);
  for (auto& x : members_)
    if (!x.join_for(time_until(deadline)))
      return false;
  return true;
}

bool runner_group::is_alive() const {
  return std::any_of(members_.begin(), members_.end(),
                     [](const runner& x) { return x.is_alive(); });
}

void runner_group::check_for_exceptions() {
  for (auto& x : members_)
    x.check_for_exceptions();
}

std::optional<failure> runner_group::last_failure() const {
  for (auto& x : members_)
    if (auto error = x.last_failure())
      return error;
  return std::nullopt;
}

} // namespace puma
