// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#  include <x86intrin.h>
#endif

namespace puma::internal {

/// A clock for rules of thumb, such as "has this slice taken long": cheaper to
/// read than the real one, but of unknown frequency, somewhere between 1 and 5
/// ticks per nanosecond.
using cycles = std::uint64_t;

inline cycles read_cycles() noexcept {
#if defined(__x86_64__)
  return __rdtsc();
#else
  return static_cast<cycles>(
           std::chrono::steady_clock::now().time_since_epoch().count())
         * 3;
#endif
}

/// Returns about `microseconds`, in cycles.
constexpr cycles about_microseconds(cycles microseconds) noexcept {
  return microseconds * 3'000;
}

/// Tells the processor that the thread spins.
inline void relax_cpu() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace puma::internal
