// SPDX-License-Identifier: Apache-2.0

#include "puma/caf.hpp"

#include "puma/actors/internal/host.hpp"
#include "puma/actors/internal/registry.hpp"
#include "puma/actors/runner.hpp"
#include "puma/base/error.hpp"
#include "puma/buffers/internal/inlet.hpp"
#include "puma/buffers/internal/outlet.hpp"
#include "puma/environments/internal/runtime_core.hpp"

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

namespace puma {

namespace detail {

/// Counted, because it may still have to be fired when its actor lets it go.
///
/// Keeps the actor alive until that ends: CAF would drop one that waits and
/// that nobody refers to, although values are on their way to it.
class actor_waker final : public internal::waker {
 public:
  actor_waker(caf::event_based_actor& self, caf::atom_value what)
    : actor_(caf::actor_cast<caf::actor>(&self)),
      id_(self.id()),
      what_(what) {}

  bool arm(internal::wake::bits) noexcept override {
    if (armed_.exchange(true, std::memory_order_acq_rel))
      return false; // its message is under way, or about to be sent
    ref();
    return true;
  }

  void fire(internal::urgency) noexcept override {
    // From here on a new message is needed: the actor may handle this one
    // before what comes next has come.
    armed_.store(false, std::memory_order_release);
    if (const auto to = actor())
      caf::anon_send(to, what_);
    deref();
  }

  /// The actor has ended.
  void let_actor_go() noexcept {
    caf::actor last; // goes without the lock
    const std::lock_guard guard{mutex_};
    last = std::move(actor_);
    actor_ = nullptr;
  }

  void ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

  void deref() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

  [[nodiscard]] caf::actor_id actor_id() const noexcept { return id_; }

 private:
  ~actor_waker() = default;

  [[nodiscard]] caf::actor actor() const {
    const std::lock_guard guard{mutex_};
    return actor_;
  }

  mutable std::mutex mutex_;
  caf::actor actor_;
  const caf::actor_id id_;
  const caf::atom_value what_;
  std::atomic<bool> armed_{false};
  std::atomic<std::uint32_t> references_{1};
};

void actor_waker_deleter::operator()(actor_waker* x) const noexcept {
  x->let_actor_go();
  x->deref();
}

actor_waker_ptr make_actor_waker(caf::event_based_actor& self,
                                 caf::atom_value what) {
  actor_waker_ptr result{new actor_waker{self, what}};
  struct reference {
    actor_waker* waker;
    explicit reference(actor_waker* x) : waker(x) { waker->ref(); }
    reference(const reference& other) : waker(other.waker) { waker->ref(); }
    reference& operator=(const reference&) = delete;
    ~reference() { waker->deref(); }
  };
  self.attach_functor([to = reference{result.get()}](const caf::error&) {
    to.waker->let_actor_go();
  });
  return result;
}

void wake(actor_waker& x) {
  internal::wake_list wakes;
  wakes.add(x, internal::wake::data);
}

receive_status try_receive(read_window* x, actor_waker& who) {
  return static_cast<internal::inlet&>(*x).refill_for(who);
}

publish_result try_publish(write_window* x, void* value, actor_waker& who) {
  return static_cast<internal::outlet&>(*x).try_publish_for(value, who);
}

void abandon(write_window* x, const actor_waker& who) noexcept {
  auto& end = static_cast<internal::outlet&>(*x);
  if (end.ended())
    return;
  internal::wake_list wakes;
  end.fail(failure{std::make_exception_ptr(
             error{"actor " + std::to_string(who.actor_id())
                   + ": ended without having completed its stream"})},
           wakes);
}

void set_handlers(internal::task& where, caf::behavior handlers) {
  static_cast<internal::host&>(where).set_handlers(std::move(handlers));
}

} // namespace detail

caf::actor_system& runtime::actor_system() noexcept {
  return core_->system();
}

caf::actor runner::actor() const {
  auto& x = record();
  caf::actor result;
  x.owner->visit(x, [&](internal::run_phase phase, internal::hosted* running) {
    const auto start = "runnable '" + x.name + "': ";
    if (phase == internal::run_phase::prepared)
      throw usage_error{start + "is no actor before it was started"};
    if (phase == internal::run_phase::ended || !running)
      throw runnable_ended{start + "has ended, and is no actor any more"};
    if (running->route())
      throw usage_error{start
                        + "is an actor of another process; call its methods "
                          "instead"};
    auto& host = static_cast<internal::host&>(
      static_cast<internal::task&>(*running));
    result = caf::actor_cast<caf::actor>(&host);
  });
  return result;
}

} // namespace puma
