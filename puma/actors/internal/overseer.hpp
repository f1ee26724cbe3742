// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/registry.hpp"
#include "puma/actors/internal/timer.hpp"

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>

#include <atomic>
#include <memory>

namespace puma::internal {

/// The actor that makes the decisions of all supervisors of one runtime.
///
/// A wake sends it one message, unless one is under way: what has happened is
/// kept by `supervision`, so that its mailbox does not grow.
class overseer final : public caf::event_based_actor, public waker {
 public:
  overseer(caf::actor_config& cfg, std::shared_ptr<registry> runs);

  ~overseer() override;

  /// Ends it; from now on nothing is decided.
  void retire();

  // -- implementation of waker ------------------------------------------------

  bool arm(wake::bits what) noexcept override;
  void fire(urgency how) noexcept override;

  // -- overridden functions of the actor --------------------------------------

  const char* name() const override;
  caf::behavior make_behavior() override;
  void on_exit() override;

 private:
  void work();

  std::shared_ptr<registry> runs_; // until its exit
  std::atomic<bool> is_due_{false};
  std::unique_ptr<timer> timer_; // from its first slice on
};

} // namespace puma::internal
