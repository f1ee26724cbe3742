// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/condition.hpp"

#include "puma/buffers/internal/waiting.hpp"

#include <utility>

namespace puma {

struct condition::state {
  explicit state(std::string n) : name(std::move(n)) {}

  const std::string name;
  std::mutex mutex;
  internal::waiting_list waiting;
};

condition::condition(std::string name)
  : state_(std::make_shared<state>(std::move(name))) {}

const std::string& condition::name() const noexcept {
  return state_->name;
}

void condition::change(const std::function<void()>& change) {
  internal::wake_list wakes;
  const std::lock_guard guard{state_->mutex};
  change();
  state_->waiting.wake_all(wakes);
}

void condition::wait(const std::function<bool()>& holds) const {
  static_cast<void>(wait_for(std::chrono::nanoseconds::max(), holds));
}

bool condition::wait_for(std::chrono::nanoseconds timeout,
                         const std::function<bool()>& holds) const {
  const auto deadline = internal::deadline_after(timeout);
  std::unique_lock lock{state_->mutex};
  return state_->waiting.wait(lock, deadline,
                              "condition '" + state_->name + "'", holds);
}

} // namespace puma
