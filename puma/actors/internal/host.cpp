// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/host.hpp"

#include "puma/actors/internal/parking_policy.hpp"
#include "puma/base/error.hpp"

#include <caf/actor_system.hpp>
#include <caf/detail/private_thread.hpp>
#include <caf/detail/sync_request_bouncer.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>
#include <caf/sec.hpp>

#include <exception>
#include <utility>

namespace puma::internal {

namespace {

/// The worker that runs on this thread, or null.
thread_local caf::execution_unit* current_unit = nullptr;

/// Tests may run hosts within hooks of others.
class unit_scope {
 public:
  explicit unit_scope(caf::execution_unit* x)
    : outer_(std::exchange(current_unit, x)) {}

  unit_scope(const unit_scope&) = delete;
  unit_scope& operator=(const unit_scope&) = delete;

  ~unit_scope() { current_unit = outer_; }

 private:
  caf::execution_unit* outer_;
};

} // namespace

urgency& enqueue_urgency() noexcept {
  thread_local auto instance = urgency::at_once;
  return instance;
}

enqueue_here::enqueue_here(caf::execution_unit* unit) noexcept
  : outer_(std::exchange(current_unit, unit)) {
  enqueue_urgency() = urgency::last_act;
}

enqueue_here::~enqueue_here() {
  current_unit = outer_;
  enqueue_urgency() = urgency::at_once;
}

host::host(caf::actor_config& cfg, task::record_ptr record, host::mode how,
           bool may_wait)
  : caf::event_based_actor(cfg),
    task(std::move(record), may_wait),
    mode_(how) {
  // CAF's defaults print to the standard output.
  set_default_handler(caf::drop);
  set_down_handler([](caf::down_msg&) {});
  set_error_handler([this](caf::error& x) {
    mail_failed(failure{std::make_exception_ptr(
      puma::error{"a request was not answered: " + caf::to_string(x)})});
    quit(std::move(x));
  });
  set_exit_handler([this](caf::exit_msg& x) {
    if (x.reason)
      quit(std::move(x.reason));
  });
  set_exception_handler([this](std::exception_ptr& x) -> caf::error {
    mail_failed(ending_here());
    try {
      std::rethrow_exception(x);
    } catch (const std::exception& error) {
      return caf::make_error(caf::sec::runtime_error,
                             std::string{error.what()});
    } catch (...) {
      return caf::sec::runtime_error;
    }
  });
}

host::~host() = default;

void host::retain() noexcept {
  intrusive_ptr_add_ref(ctrl());
}

void host::drop() noexcept {
  intrusive_ptr_release(ctrl());
}

const char* host::name() const {
  return "puma.host";
}

void host::launch(caf::execution_unit* eu, bool lazy, bool hide) {
  if (mode_ == mode::detached) {
    // Starts the thread, which resumes this actor at once.
    caf::event_based_actor::launch(eu, lazy, hide);
    return;
  }
  retain();
  submit(urgency::at_once);
}

void host::submit(urgency how) noexcept {
  if (mode_ == mode::detached) {
    private_thread_->resume();
  } else if (current_unit && &current_unit->system() == &home_system()) {
    const auto outer = enqueue_urgency();
    if (outer == urgency::at_once)
      enqueue_urgency() = how;
    current_unit->exec_later(this);
    enqueue_urgency() = outer;
  } else {
    home_system().scheduler().enqueue(this);
  }
}

void host::enqueue(caf::mailbox_element_ptr what, caf::execution_unit*) {
  const auto id = what->mid;
  const auto from = what->sender;
  if (mailbox().push_back(std::move(what))
      == caf::intrusive::inbox_result::queue_closed) {
    if (id.is_request()) {
      caf::detail::sync_request_bouncer bounce{
        caf::make_error(caf::sec::request_receiver_down)};
      bounce(from, id);
    }
    return;
  }
  signal(wake::mail);
}

void host::suspend() {
  auto* self = std::exchange(party::current(), nullptr);
  side_->yield();
  party::current() = self;
}

host::outcome host::run_step() {
  if (!side_)
    side_ = std::make_unique<side_thread>([this] {
      while (side_result_.emplace(run_slice()) != outcome::ended)
        side_->yield();
    });
  side_result_.reset();
  side_->resume();
  return side_result_.value_or(outcome::idle);
}

void host::set_handlers(caf::behavior handlers) {
  handlers_ = std::move(handlers);
  if (has_behavior_)
    become(handlers_ ? handlers_ : make_behavior());
  else
    signal(wake::mail); // a time-out of theirs begins now
}

void host::forget_handlers() noexcept {
  handlers_ = {};
  bhvr_stack_.clear();
  bhvr_stack_.cleanup();
}

caf::behavior host::make_behavior() {
  has_behavior_ = true;
  if (handlers_)
    return handlers_;
  return {[](caf::unit_t) {
    // Keeps the actor alive: one without a behavior would end.
  }};
}

bool host::handle_mail() {
  constexpr std::size_t messages_per_slice = 32;
  const auto result = caf::event_based_actor::resume(context(),
                                                     messages_per_slice);
  current_mailbox_element(nullptr); // CAF leaves it where it was
  switch (result) {
  case caf::resumable::done:
    return false;
  case caf::resumable::resume_later:
    signal(wake::mail);
    return true;
  default:
    return true;
  }
}

caf::resumable::resume_result host::resume(caf::execution_unit* eu,
                                           std::size_t) {
  const unit_scope on{eu};
  context(eu);
  const auto result = mode_ == mode::cooperative && may_wait() ? run_step()
                                                               : run_slice();
  if (result == outcome::ended) {
    auto reason = exit_text().empty()
                    ? caf::error{}
                    : caf::make_error(caf::sec::runtime_error, exit_text());
    cleanup(std::move(reason), eu);
  }
  switch (result) {
  case outcome::idle:
    return caf::resumable::awaiting_message;
  case outcome::again:
    if (mode_ != mode::cooperative)
      return caf::resumable::resume_later;
    // The test coordinator would run this one again before all others.
    retain();
    submit(urgency::last_act);
    return caf::resumable::awaiting_message;
  case outcome::ended:
    break;
  }
  return caf::resumable::done;
}

} // namespace puma::internal
