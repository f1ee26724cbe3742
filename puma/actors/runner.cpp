// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/runner.hpp"

#include "puma/actors/internal/registry.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/internal/party.hpp"
#include "puma/logging/log.hpp"

#include <utility>

namespace puma {

runner::runner(std::shared_ptr<internal::run_record> record) noexcept
  : record_(std::move(record)) {}

runner& runner::operator=(runner&& other) noexcept {
  if (this != &other) {
    tear_down();
    record_ = std::move(other.record_);
  }
  return *this;
}

runner::~runner() {
  tear_down();
}

internal::run_record& runner::record() const {
  if (!record_)
    throw usage_error{
      "runner: holds no runnable; it was moved from, or never "
      "started by an environment"};
  return *record_;
}

std::shared_ptr<internal::run_record> detail::record_of(const runner& x) {
  return x.record_;
}

detail::target_ptr runner::target() const {
  static_cast<void>(record());
  return record_;
}

detail::status_ptr runner::take_status(const std::type_info& type) {
  auto& x = record();
  return x.owner->take_status(x, type);
}

detail::status_ptr runner::take_status_for(const std::type_info& type,
                                           std::chrono::nanoseconds timeout) {
  auto& x = record();
  if (x.owner->is_prepared(x))
    throw usage_error{name() + ": not started yet"};
  return x.owner->wait_for_status(x, type, internal::deadline_after(timeout));
}

void runner::start() {
  auto& x = record();
  x.owner->start(record_);
}

void runner::wait_until_running() {
  static_cast<void>(wait_until_running_for(std::chrono::nanoseconds::max()));
}

bool runner::wait_until_running_for(std::chrono::nanoseconds timeout) {
  auto& x = record();
  if (x.owner->is_prepared(x))
    throw usage_error{name() + ": not started yet"};
  const bool result = x.owner->wait_until_running(
    x, internal::deadline_after(timeout));
  check_for_exceptions();
  return result;
}

void runner::stop() {
  auto& x = record();
  x.owner->stop(x);
}

void runner::join() {
  static_cast<void>(join_for(std::chrono::nanoseconds::max()));
}

bool runner::join_for(std::chrono::nanoseconds timeout) {
  auto& x = record();
  if (x.owner->is_prepared(x))
    throw usage_error{name() + ": not started yet"};
  return x.owner->wait_until_ended(x, internal::deadline_after(timeout));
}

bool runner::is_alive() const {
  auto& x = record();
  return x.owner->is_alive(x);
}

std::string runner::name() const {
  auto& x = record();
  return x.owner->display_name(x);
}

void runner::check_for_exceptions() {
  auto& x = record();
  if (auto error = x.owner->claim(x))
    error->rethrow();
}

std::optional<failure> runner::last_failure() const {
  auto& x = record();
  return x.owner->error_of(x);
}

void runner::tear_down() noexcept {
  const auto x = std::move(record_);
  if (!x)
    return;
  // An error that was not thrown stays with the runtime, whose `join` or end
  // reports it.
  try {
    auto& owner = *x->owner;
    if (!owner.is_alive(*x))
      return;
    owner.stop(*x);
    // A pooled hook must not wait; the runtime does.
    if (auto* running = internal::party::current();
        running && !running->may_wait())
      return;
    if (!owner.wait_for_teardown(*x))
      log(log_level::error, "puma.actors",
          owner.display_name(*x)
            + ": still alive after it was told to stop; it is in "
            + owner.activity_of(*x));
  } catch (const stopped&) {
    // The dedicated runnable that owns this runner is being stopped itself.
  } catch (const std::exception& error) {
    log(log_level::error, "puma.actors",
        x->owner->display_name(*x)
          + ": could not be waited for: " + error.what());
  }
}

} // namespace puma
