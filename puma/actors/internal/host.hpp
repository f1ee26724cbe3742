// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/side_thread.hpp"
#include "puma/actors/internal/task.hpp"

#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>

#include <memory>
#include <optional>

namespace puma::internal {

/// The actor that hosts one runnable: gives the task CAF's threads, mailbox,
/// identity and monitors.
///
/// Wakes do not go through the mailbox. The task's own word of bits says
/// whether the actor is scheduled, for messages too: a message is one more
/// reason to wake. So waking allocates nothing, and a mailbox holds messages
/// only.
class host final : public caf::event_based_actor, public task {
 public:
  /// How the task gets a thread.
  enum class mode {
    pooled,      ///< From the scheduler, slice by slice.
    detached,    ///< It has one of its own.
    cooperative, ///< In steps, in turns with the thread of a test.
  };

  host(caf::actor_config& cfg, task::record_ptr record, host::mode how,
       bool may_wait);

  ~host() override;

  /// Sets what messages are answered with.
  void set_handlers(caf::behavior handlers);
  void forget_handlers() noexcept override;

  // -- implementation of task -------------------------------------------------

  void retain() noexcept override;
  void drop() noexcept override;

  // -- overridden functions of the actor --------------------------------------

  const char* name() const override;
  void launch(caf::execution_unit* eu, bool lazy, bool hide) override;
  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* eu) override;
  caf::resumable::resume_result resume(caf::execution_unit* eu,
                                       std::size_t throughput) override;
  caf::behavior make_behavior() override;

 protected:
  void submit(urgency how) noexcept override;
  void suspend() override;
  bool handle_mail() override;

 private:
  /// As `run_slice`, but a hook that waits ends the step, too: as `idle`.
  outcome run_step();

  const mode mode_;
  caf::behavior handlers_;
  bool has_behavior_ = false;
  std::unique_ptr<side_thread> side_; // of a cooperative host that may wait
  std::optional<outcome> side_result_;
};

} // namespace puma::internal
