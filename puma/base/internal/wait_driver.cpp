// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/wait_driver.hpp"

namespace puma::internal {

wait_driver*& wait_driver::of_this_thread() noexcept {
  thread_local wait_driver* current = nullptr;
  return current;
}

time_point current_time() {
  auto* driver = wait_driver::of_this_thread();
  return driver ? driver->now() : std::chrono::steady_clock::now();
}

time_point deadline_after(std::chrono::nanoseconds timeout) {
  const auto now = current_time();
  if (timeout >= no_deadline - now)
    return no_deadline;
  return now + timeout;
}

void sleep_until_armed(time_point deadline) {
  if (auto* driver = wait_driver::of_this_thread())
    driver->drive(deadline);
  else
    parker::of_this_thread().park(deadline);
}

} // namespace puma::internal
