// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/overseer.hpp"

#include "puma/logging/log.hpp"

#include <caf/send.hpp>

#include <exception>
#include <string>
#include <utility>

namespace puma::internal {

overseer::overseer(caf::actor_config& cfg, std::shared_ptr<registry> runs)
  : caf::event_based_actor(cfg),
    runs_(std::move(runs)) {}

overseer::~overseer() = default;

void overseer::retire() {
  runs_->supervisors().set_actor(nullptr);
  caf::anon_send_exit(caf::actor_cast<caf::actor>(this),
                      caf::exit_reason::user_shutdown);
}

bool overseer::arm(wake::bits) noexcept {
  if (is_due_.exchange(true, std::memory_order_acq_rel))
    return false;
  intrusive_ptr_add_ref(ctrl());
  return true;
}

void overseer::fire(urgency) noexcept {
  const caf::strong_actor_ptr self{ctrl(), false}; // counted by `arm`
  caf::anon_send(caf::actor_cast<caf::actor>(self), caf::unit);
}

const char* overseer::name() const {
  return "puma.overseer";
}

caf::behavior overseer::make_behavior() {
  return {[this](caf::unit_t) { work(); }};
}

void overseer::on_exit() {
  // Here rather than in the destructor, which may run on the alarm clock's own
  // thread: that must not be the one that ends the clock.
  timer_.reset();
  runs_.reset();
}

void overseer::work() {
  // Before it looks: what comes from now on is a reason to look again.
  is_due_.store(false, std::memory_order_release);
  try {
    if (!timer_)
      timer_ = std::make_unique<timer>(*this, runs_->alarms());
    timer_->went_off();
    timer_->set(runs_->supervisors().work());
  } catch (const std::exception& error) {
    log(log_level::error, "puma.supervision",
        std::string{"the overseer failed: "} + error.what());
  }
}

} // namespace puma::internal
