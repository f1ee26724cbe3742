// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstdint>

namespace puma::internal {

/// What a party is woken for. The bits add up until the party looks.
namespace wake {

using bits = std::uint32_t;

inline constexpr bits data = 1u << 2;   ///< An input has values, or its end.
inline constexpr bits room = 1u << 3;   ///< A full output has room again.
inline constexpr bits stop = 1u << 4;   ///< End after the value in hand.
inline constexpr bits drain = 1u << 5;  ///< Make no new values.
inline constexpr bits mail = 1u << 6;   ///< The actor's mailbox has messages.
inline constexpr bits change = 1u << 7; ///< Something waited for may hold now.
inline constexpr bits tick = 1u << 10;  ///< A tick is due.
inline constexpr bits job = 1u << 11; ///< Something is to be done in its scope.
/// End after the value in hand, but leave the outputs open for a successor.
inline constexpr bits suspend = 1u << 12;

} // namespace wake

/// How a waking thread sees it: as the last thing before it looks for other
/// work itself, or with more of its own work to come.
enum class urgency { last_act, at_once };

/// A party that sleeps until a queue has something for it: the host of a
/// runnable, or a parked thread.
///
/// Waking has two steps, so that no scheduler lock or system call is taken
/// under a queue's mutex: `arm` while the mutex is held, then `fire` after it
/// was released, if `arm` said so. `arm` takes whatever reference `fire` needs,
/// hence the party may go away between the two.
class waker {
 public:
  /// Records `what`. Returns true when the party sleeps and this call is the
  /// one that wakes it: the caller then owes exactly one `fire`. Until then
  /// `next_armed` belongs to the caller.
  virtual bool arm(wake::bits what) noexcept = 0;

  /// Wakes the party. May destroy `*this`.
  virtual void fire(urgency how) noexcept = 0;

  /// Links wakers that one thread armed and has yet to fire.
  waker* next_armed = nullptr;

 protected:
  ~waker() = default;
};

/// The wakers that a critical section armed, fired when it is over.
class wake_list {
 public:
  explicit wake_list(urgency how = urgency::at_once) noexcept : how_(how) {}

  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;

  ~wake_list() { fire(how_); }

  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }

  /// Fires all wakers, and forgets them.
  void fire(urgency how) noexcept {
    while (head_) {
      auto* next = head_->next_armed;
      head_->next_armed = nullptr;
      head_->fire(how);
      head_ = next;
    }
  }

  void add(waker& who, wake::bits what) noexcept {
    if (who.arm(what)) {
      who.next_armed = head_;
      head_ = &who;
    }
  }

 private:
  urgency how_;
  waker* head_ = nullptr;
};

} // namespace puma::internal
