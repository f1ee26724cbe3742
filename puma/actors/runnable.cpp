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
    host_(detail::hosting_task(name_)) {}

runnable::~runnable() = default;

void runnable::stop() noexcept {
  host_.signal(internal::wake::stop);
}

void runnable::check_scope(const char* what) const {
  if (internal::party::current() != &host_)
    throw usage_error{"runnable '" + name_ + "': " + what
                      + " may only be called in its constructor and hooks"};
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
