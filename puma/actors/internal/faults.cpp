// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/faults.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"

#include <csignal>
#include <utility>

#include <unistd.h>

namespace puma::internal {

void fault_plan::carry_out(const planned_fault& x) {
  const auto refuse = [&x](const std::string& why) {
    throw usage_error{"fault_script: runnable '" + x.runnable + "': " + why};
  };
  switch (x.what) {
  case planned_fault::action::fail:
    throw injected_fault{x.text};
  case planned_fault::action::hang: {
    if (wait_driver::of_this_thread())
      refuse(
        "a hook that hangs would hang the test under the virtual clock; "
        "use a real runtime");
    std::unique_lock lock{mutex_};
    released_.wait(lock, [this] { return is_released_; });
    break;
  }
  case planned_fault::action::kill:
    if (where_ == site::owner)
      refuse("is not in a process of its own, which could be killed");
    static_cast<void>(::kill(::getpid(), SIGKILL));
    break;
  }
}

void fault_plan::release() {
  const std::lock_guard guard{mutex_};
  is_released_ = true;
  released_.notify_all();
}

std::unique_ptr<fault_counter>
fault_counter::make(std::shared_ptr<fault_plan> plan, std::string_view runnable,
                    std::uint64_t instance) {
  auto result = std::make_unique<fault_counter>();
  for (auto& x : plan->all())
    if (x.runnable == runnable && (x.instance == 0 || x.instance == instance))
      result->own_.push_back(&x);
  if (result->own_.empty())
    return nullptr;
  result->plan_ = std::move(plan);
  return result;
}

void fault_counter::strike(std::string_view hook) {
  auto i = calls_.find(hook);
  if (i == calls_.end())
    i = calls_.emplace(std::string{hook}, 0).first;
  const auto count = ++i->second;
  for (auto* x : own_)
    if (x->hook == hook && x->at == count)
      plan_->carry_out(*x);
}

} // namespace puma::internal
