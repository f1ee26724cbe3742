// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/event.hpp"

#include "puma/buffers/internal/waiting.hpp"

#include <utility>

namespace puma {

struct event::state {
  explicit state(std::string n) : name(std::move(n)) {}

  const std::string name;
  std::mutex mutex;
  bool set = false;
  internal::waiting_list waiting;
};

event::event(std::string name)
  : state_(std::make_shared<state>(std::move(name))) {}

const std::string& event::name() const noexcept {
  return state_->name;
}

void event::set() {
  internal::wake_list wakes;
  const std::lock_guard guard{state_->mutex};
  state_->set = true;
  state_->waiting.wake_all(wakes);
}

void event::clear() {
  const std::lock_guard guard{state_->mutex};
  state_->set = false;
}

bool event::is_set() const {
  const std::lock_guard guard{state_->mutex};
  return state_->set;
}

void event::wait() const {
  static_cast<void>(wait_for(std::chrono::nanoseconds::max()));
}

bool event::wait_for(std::chrono::nanoseconds timeout) const {
  const auto deadline = internal::deadline_after(timeout);
  std::unique_lock lock{state_->mutex};
  return state_->waiting.wait(lock, deadline, "event '" + state_->name + "'",
                              [this] { return state_->set; });
}

} // namespace puma
