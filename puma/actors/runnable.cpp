// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/runnable.hpp"

#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"

#include <thread>
#include <utility>

namespace puma {

namespace {

std::string checked(std::string name) {
  if (name.empty())
    throw usage_error{"runnable: the name must not be empty"};
  return name;
}

} // namespace

runnable::runnable(std::string name)
  : name_(checked(std::move(name))),
    host_(detail::claim_host(*this)) {}

runnable::~runnable() = default;

void runnable::stop() noexcept {
  if (host_)
    host_->signal(internal::wake::stop);
}

void runnable::check_scope(const char* what) const {
  if (!host_)
    throw usage_error{"runnable '" + name_ + "': " + what
                      + " is not for the object of the parent's scope, which "
                        "is never run: start the runnable with run<T>(...); or "
                        "let on_start do this, in the child that run(...) "
                        "makes of this object"};
  if (internal::party::current() != host_)
    throw usage_error{"runnable '" + name_ + "': " + what
                      + " may only be called in its constructor and hooks"};
}

internal::task& detail::task_of(const runnable& x) {
  x.check_scope("this function");
  return x.host();
}

void runnable::set_tick_interval(std::chrono::nanoseconds interval,
                                 late_ticks late) {
  check_scope("set_tick_interval");
  if (interval.count() <= 0)
    throw usage_error{"runnable '" + name_
                      + "': the tick interval must be positive"};
  host_->ticks().schedule.set_interval(interval, late);
}

void runnable::resume_ticks() {
  check_scope("resume_ticks");
  auto& ticks = host_->ticks().schedule;
  if (!ticks.has_interval())
    throw usage_error{"runnable '" + name_
                      + "': resume_ticks needs an interval; call "
                        "set_tick_interval first"};
  ticks.resume(internal::current_time());
}

void runnable::pause_ticks() {
  check_scope("pause_ticks");
  host_->ticks().schedule.pause();
}

void runnable::await_room() {
  check_scope("await_room");
  detail::await_room(*host_);
}

std::uint64_t runnable::missed_ticks() const {
  check_scope("missed_ticks");
  return host_->ticks().schedule.missed();
}

void sleep_for(std::chrono::nanoseconds duration) {
  const auto deadline = internal::deadline_after(duration);
  auto* running = internal::party::current();
  if (running && !running->may_wait())
    throw usage_error{
      "sleep_for: a pooled runnable must not sleep; start it "
      "as dedicated"};
  while (internal::current_time() < deadline) {
    if (running)
      running->wait(deadline);
    else
      internal::sleep_until_armed(deadline);
  }
}

} // namespace puma
