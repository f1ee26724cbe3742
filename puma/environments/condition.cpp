// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/condition.hpp"

#include "puma/base/detail/nesting_mark.hpp"
#include "puma/buffers/internal/waiting.hpp"
#include "puma/environments/detail/shared_place.hpp"
#include "puma/environments/internal/shared_slot.hpp"

#include <utility>

namespace puma {

using internal::shared_slot;

namespace {

constexpr auto kind = internal::primitive::condition;

} // namespace

/// In one process the mutex is the lock. Once a handle has gone to another one,
/// it is that of the slot, whose value counts the changes.
struct condition::state {
  explicit state(std::string n) : name(std::move(n)) {}

  [[nodiscard]] std::string description() const {
    return "condition '" + name + "'";
  }

  /// For where a function of the user runs.
  [[nodiscard]] detail::nesting_mark mark() const {
    return {this, "condition", name};
  }

  bool wait_shared(internal::time_point deadline,
                   const std::function<bool()>& holds) const;

  const std::string name;
  std::mutex mutex;
  internal::waiting_list waiting;
  std::shared_ptr<shared_slot> slot; // guarded by the mutex; set once
};

condition::condition(std::string name)
  : state_(std::make_shared<state>(std::move(name))) {}

condition::state& condition::get() const {
  if (!state_)
    detail::throw_no_primitive("condition");
  return *state_;
}

const std::string& condition::name() const {
  return get().name;
}

void condition::change(const std::function<void()>& change) {
  auto& x = get();
  const auto mark = x.mark();
  internal::wake_list wakes;
  std::unique_lock lock{x.mutex};
  if (!x.slot) {
    change();
    x.waiting.wake_all(wakes);
    return;
  }
  lock.unlock();
  {
    const shared_slot::lock held{*x.slot, internal::no_deadline,
                                 x.description()};
    change();
    x.slot->value().fetch_add(1);
  }
  x.slot->changed();
}

void condition::wait(const std::function<bool()>& holds) const {
  static_cast<void>(wait_for(std::chrono::nanoseconds::max(), holds));
}

bool condition::wait_for(std::chrono::nanoseconds timeout,
                         const std::function<bool()>& holds) const {
  auto& x = get();
  static_cast<void>(x.mark());
  const auto deadline = internal::deadline_after(timeout);
  std::unique_lock lock{x.mutex};
  if (!x.slot) {
    // A call that runs while this thread waits may use it.
    const bool in_time = x.waiting.wait(lock, deadline, x.description(), [&] {
      const auto mark = x.mark();
      return x.slot || holds();
    });
    if (!in_time || !x.slot)
      return in_time;
  }
  lock.unlock();
  return x.wait_shared(deadline, holds);
}

bool condition::state::wait_shared(internal::time_point deadline,
                                   const std::function<bool()>& holds) const {
  for (;;) {
    // Who died in `change` has not counted it.
    const auto changes = slot->value().load();
    const auto deaths = slot->deaths();
    {
      const shared_slot::lock held{*slot, deadline, description()};
      if (!held.is_held())
        return false;
      if (holds())
        return true;
    }
    if (!slot->wait(deadline, description(), [&] {
          return slot->value().load() != changes || slot->deaths() != deaths;
        }))
      return false;
  }
}

void codec<condition>::encode(encoder& to, const condition& from) {
  auto& x = from.get();
  const auto mark = x.mark();
  internal::wake_list wakes;
  const std::lock_guard guard{x.mutex};
  if (!x.slot && to.context()) {
    if (auto made = shared_slot::make(shared_slot::size_class::word)) {
      x.slot = std::move(made);
      x.waiting.wake_all(wakes);
    }
  }
  shared_slot::export_handle(to, kind, x.name, 0, x.slot);
}

void codec<condition>::decode(decoder& from, condition& to) {
  std::string name;
  auto slot = shared_slot::import_handle(from, kind, name, 0);
  if (!slot)
    return;
  to = condition{std::move(name)};
  to.state_->slot = std::move(slot);
}

} // namespace puma
