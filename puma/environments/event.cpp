// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/event.hpp"

#include "puma/buffers/internal/waiting.hpp"
#include "puma/environments/detail/shared_place.hpp"
#include "puma/environments/internal/shared_slot.hpp"

#include <utility>

namespace puma {

using internal::shared_slot;

namespace {

constexpr auto kind = internal::primitive::event;

// How often it has been set, and whether it is: so those who wait notice that
// it was, although it has been cleared since.
constexpr std::uint64_t set_bit = 1;
constexpr std::uint64_t one_set = 2;

std::uint64_t after_set(std::uint64_t word) noexcept {
  return (word & set_bit) != 0 ? word : (word + one_set) | set_bit;
}

bool holds(std::uint64_t now, std::uint64_t before) noexcept {
  return (now & set_bit) != 0 || now / one_set != before / one_set;
}

} // namespace

/// In one process, `word` is guarded by the mutex. Once a handle has gone to
/// another one, it is the slot that counts.
struct event::state {
  explicit state(std::string n) : name(std::move(n)) {}

  [[nodiscard]] std::string description() const {
    return "event '" + name + "'";
  }

  const std::string name;
  std::mutex mutex;
  std::uint64_t word = 0;
  internal::waiting_list waiting;
  std::shared_ptr<shared_slot> slot; // guarded by the mutex; set once
};

event::event(std::string name)
  : state_(std::make_shared<state>(std::move(name))) {}

event::state& event::get() const {
  if (!state_)
    detail::throw_no_primitive("event");
  return *state_;
}

const std::string& event::name() const {
  return get().name;
}

void event::set() {
  auto& x = get();
  internal::wake_list wakes;
  std::unique_lock lock{x.mutex};
  if (!x.slot) {
    x.word = after_set(x.word);
    x.waiting.wake_all(wakes);
    return;
  }
  lock.unlock();
  auto& word = x.slot->value();
  auto seen = word.load();
  while (!word.compare_exchange_weak(seen, after_set(seen))) {
    // Others change it, too.
  }
  // Also when it was set: whoever did that may have died before this.
  x.slot->changed();
}

void event::clear() {
  auto& x = get();
  const std::lock_guard guard{x.mutex};
  if (x.slot)
    x.slot->value().fetch_and(~set_bit);
  else
    x.word &= ~set_bit;
}

bool event::is_set() const {
  auto& x = get();
  const std::lock_guard guard{x.mutex};
  return ((x.slot ? x.slot->value().load() : x.word) & set_bit) != 0;
}

void event::wait() const {
  static_cast<void>(wait_for(std::chrono::nanoseconds::max()));
}

bool event::wait_for(std::chrono::nanoseconds timeout) const {
  auto& x = get();
  const auto deadline = internal::deadline_after(timeout);
  std::unique_lock lock{x.mutex};
  const auto before = x.slot ? x.slot->value().load() : x.word;
  if (!x.slot) {
    const bool in_time = x.waiting.wait(lock, deadline, x.description(), [&] {
      return x.slot || holds(x.word, before);
    });
    if (!in_time || !x.slot)
      return in_time;
  }
  lock.unlock();
  return x.slot->wait(deadline, x.description(),
                      [&] { return holds(x.slot->value().load(), before); });
}

void codec<event>::encode(encoder& to, const event& from) {
  auto& x = from.get();
  internal::wake_list wakes;
  const std::lock_guard guard{x.mutex};
  if (!x.slot && to.context()) {
    if (auto made = shared_slot::make(shared_slot::size_class::word)) {
      made->value().store(x.word);
      x.slot = std::move(made);
      x.waiting.wake_all(wakes);
    }
  }
  shared_slot::export_handle(to, kind, x.name, 0, x.slot);
}

void codec<event>::decode(decoder& from, event& to) {
  std::string name;
  auto slot = shared_slot::import_handle(from, kind, name, 0);
  if (!slot)
    return;
  to = event{std::move(name)};
  to.state_->slot = std::move(slot);
}

} // namespace puma
