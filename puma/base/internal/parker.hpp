// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/waker.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>

namespace puma::internal {

using time_point = std::chrono::steady_clock::time_point;

/// The deadline of a wait without limit, and of a call that must not wait.
inline constexpr time_point no_deadline = time_point::max();
inline constexpr time_point no_wait = time_point::min();

/// Sleeps while `*word == expected`, at most until `deadline`; may return
/// early. The word's own memory order makes the hand-over visible.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                time_point deadline) noexcept;

/// Wakes at most `count` sleepers of `futex_wait`.
void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept;

/// Puts one thread to sleep until another one arms it. Reference counted: it
/// may be fired by a thread that found it in a queue just before the sleeping
/// thread ended.
class parker final : public waker {
 public:
  /// Returns the calling thread's own parker.
  static parker& of_this_thread();

  parker() noexcept = default;

  /// Sleeps until armed or until `deadline`; returns the bits recorded since
  /// the last call (0 when the time ran out).
  wake::bits park(time_point deadline) noexcept;

  bool arm(wake::bits what) noexcept override;
  void fire(urgency how) noexcept override;

  void ref() noexcept;
  void deref() noexcept;

 private:
  static constexpr std::uint32_t sleeping = 1u << 0;
  static constexpr std::uint32_t fire_owed = 1u << 1; // `next_armed` is in use

  wake::bits take_bits() noexcept;

  ~parker() = default;

  std::atomic<std::uint32_t> word_{0};
  std::atomic<std::uint32_t> references_{1};
};

} // namespace puma::internal
