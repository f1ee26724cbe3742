// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cerrno>
#include <cstdint>

#include <time.h>

namespace puma_bench {

/// Returns the time of the monotonic clock in nanoseconds.
[[nodiscard]] inline std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Sleeps until the monotonic clock shows `deadline`, in nanoseconds.
inline void sleep_until_ns(std::int64_t deadline) noexcept {
  timespec until{};
  until.tv_sec = deadline / 1'000'000'000;
  until.tv_nsec = deadline % 1'000'000'000;
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr)
         == EINTR) {
    // Interrupted by a signal: sleep on.
  }
}

/// Returns the seconds between two times in nanoseconds.
[[nodiscard]] constexpr double seconds_between(std::int64_t from,
                                               std::int64_t to) noexcept {
  return static_cast<double>(to - from) / 1e9;
}

} // namespace puma_bench
