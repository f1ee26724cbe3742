// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/parker.hpp"

#include "puma/base/internal/cycles.hpp"

#include <ctime>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// About 5 microseconds, which is less than sleeping and being woken costs.
constexpr int spins_before_sleep = 150;

} // namespace

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected,
                time_point deadline) noexcept {
  static_assert(sizeof(word) == sizeof(std::uint32_t));
  // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, which is what
  // steady_clock reads: no drift when a wait is repeated.
  timespec until{};
  timespec* until_ptr = nullptr;
  if (deadline != no_deadline) {
    const auto since = std::chrono::duration_cast<std::chrono::nanoseconds>(
      deadline.time_since_epoch());
    if (since.count() <= 0)
      return;
    until.tv_sec = static_cast<time_t>(since.count() / 1'000'000'000);
    until.tv_nsec = static_cast<long>(since.count() % 1'000'000'000);
    until_ptr = &until;
  }
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word),
            FUTEX_WAIT_BITSET_PRIVATE, expected, until_ptr, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

void futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  ::syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word),
            FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

parker& parker::of_this_thread() {
  struct holder {
    parker* ptr = new parker;
    holder() = default;
    holder(const holder&) = delete;
    holder& operator=(const holder&) = delete;
    ~holder() { ptr->deref(); }
  };
  thread_local holder instance;
  return *instance.ptr;
}

wake::bits parker::take_bits() noexcept {
  return word_.fetch_and(fire_owed, std::memory_order_acquire)
         & ~(sleeping | fire_owed);
}

wake::bits parker::park(time_point deadline) noexcept {
  const auto armed = [](std::uint32_t word) {
    return (word & ~(sleeping | fire_owed)) != 0;
  };
  // A peer that is running now often arms within the time of a system call.
  for (int i = 0; i != spins_before_sleep; ++i) {
    if (armed(word_.load(std::memory_order_relaxed)))
      break;
    relax_cpu();
  }
  for (;;) {
    auto seen = word_.load(std::memory_order_acquire);
    if (armed(seen))
      return take_bits();
    if (deadline != no_deadline && std::chrono::steady_clock::now() >= deadline)
      return take_bits();
    if ((seen & sleeping) == 0
        && !word_.compare_exchange_strong(seen, seen | sleeping,
                                          std::memory_order_acquire))
      continue;
    futex_wait(word_, seen | sleeping, deadline);
  }
}

bool parker::arm(wake::bits what) noexcept {
  auto seen = word_.load(std::memory_order_relaxed);
  auto wanted = seen;
  do {
    wanted = (seen & ~sleeping) | what;
    if ((seen & sleeping) != 0)
      wanted |= fire_owed;
  } while (!word_.compare_exchange_weak(seen, wanted, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  if ((seen & sleeping) == 0)
    return false;
  if ((seen & fire_owed) != 0) {
    // The thread woke by itself and sleeps again before it was fired for the
    // last time: it is still linked in the list of the one who owes that.
    futex_wake(word_, 1);
    return false;
  }
  ref();
  return true;
}

void parker::fire(urgency) noexcept {
  word_.fetch_and(~fire_owed, std::memory_order_release);
  futex_wake(word_, 1);
  deref();
}

void parker::ref() noexcept {
  references_.fetch_add(1, std::memory_order_relaxed);
}

void parker::deref() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
    delete this;
}

} // namespace puma::internal
