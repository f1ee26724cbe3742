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
#include <caf/message.hpp>

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

namespace puma {

namespace detail {

/// Sends an actor a message when a buffer has something for it: one, until that
/// has been handled. Wakes that come meanwhile make one more.
///
/// Counted, because it may still have to be fired when its end is gone.
class actor_waker final : public internal::waker {
 public:
  /// What it sends, and whether it always keeps the actor alive, or only while
  /// `expect` has been called and the message has not come.
  enum class kind { input, output };

  actor_waker(caf::scheduled_actor& self, kind what)
    : weak_(self.ctrl()),
      what_(what) {
    if (what_ == kind::input)
      keep_ = weak_.lock();
  }

  bool arm(internal::wake::bits) noexcept override {
    auto seen = state_.load(std::memory_order_relaxed);
    do {
      if (seen == again)
        return false;
    } while (!state_.compare_exchange_weak(
      seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed));
    if (seen != none)
      return false; // `handled` sends the next one
    ref();          // for `fire`
    return true;
  }

  void fire(internal::urgency) noexcept override {
    send();
    deref();
  }

  /// Keeps the actor until the next message is sent.
  void expect() {
    auto strong = weak_.lock();
    const std::lock_guard guard{mutex_};
    keep_.swap(strong);
  }

  /// Nothing is to come any more.
  void let_actor_go() noexcept {
    caf::strong_actor_ptr last; // goes without the lock
    const std::lock_guard guard{mutex_};
    last.swap(keep_);
  }

  void ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

  void deref() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

 private:
  enum : std::uint32_t { none, under_way, again };

  ~actor_waker() = default;

  /// The message, and all copies of it, are gone.
  void handled() noexcept {
    if (state_.fetch_sub(1, std::memory_order_acq_rel) == again)
      send();
  }

  void send() noexcept {
    auto to = weak_.lock();
    if (!to)
      return;
    if (what_ == kind::output)
      let_actor_go(); // the message keeps it, as `to` does until then
    ref();
    std::shared_ptr<const void> token{this, [](actor_waker* x) {
                                        x->handled();
                                        x->deref();
                                      }};
    to->enqueue(nullptr, caf::make_message_id(),
                what_ == kind::input
                  ? caf::make_message(ready{std::move(token)})
                  : caf::make_message(room{std::move(token)}),
                nullptr);
  }

  const caf::weak_actor_ptr weak_;
  const kind what_;
  std::mutex mutex_;
  caf::strong_actor_ptr keep_;
  std::atomic<std::uint32_t> state_{none};
  std::atomic<std::uint32_t> references_{1};
};

void actor_waker_deleter::operator()(actor_waker* x) const noexcept {
  x->let_actor_go();
  x->deref();
}

actor_input_ptr open_input(caf::scheduled_actor& self,
                           const buffer_core& from) {
  auto result = std::make_shared<actor_input>();
  result->waker.reset(new actor_waker{self, actor_waker::kind::input});
  // Of no runnable, whichever hook it is that spawns the actor.
  result->end.reset(new internal::inlet{from.queue(), nullptr});
  self.attach_functor([core = std::weak_ptr{result}](const caf::error&) {
    if (const auto x = core.lock())
      close(*x);
  });
  come_again(*result);
  return result;
}

actor_output_ptr open_output(caf::scheduled_actor& self, const buffer_core& to,
                             publish_options options) {
  auto result = std::make_shared<actor_output>();
  result->waker.reset(new actor_waker{self, actor_waker::kind::output});
  result->end.reset(new internal::outlet{to.queue(), nullptr, options});
  self.attach_functor([core = std::weak_ptr{result}](const caf::error& why) {
    if (const auto x = core.lock())
      abandon(*x, why ? caf::to_string(why) : std::string{});
  });
  return result;
}

receive_status try_receive(actor_input& from) {
  const auto result = static_cast<internal::inlet&>(*from.end).refill_for(
    *from.waker);
  if (result == receive_status::completed || result == receive_status::failed)
    from.waker->let_actor_go();
  return result;
}

void come_again(actor_input& from) {
  internal::wake_list wakes;
  wakes.add(*from.waker, internal::wake::data);
}

void close(actor_input& x) noexcept {
  x.close_wanted = x.busy != 0;
  if (x.close_wanted)
    return;
  x.end.reset();
  x.waker->let_actor_go();
}

publish_result try_publish(actor_output& to, void* value) {
  if (!to.end)
    return publish_result::closed;
  auto& end = static_cast<internal::outlet&>(*to.end);
  to.waker->expect();
  const auto result = end.try_publish_for(value, *to.waker);
  if (result != publish_result::full)
    to.waker->let_actor_go();
  return result;
}

void end_output(actor_output& x) noexcept {
  x.end.reset();
  x.waker->let_actor_go(); // no room is waited for any more
}

void abandon(actor_output& x, const std::string& why) noexcept {
  x.waker->let_actor_go();
  auto end = std::move(x.end);
  if (!end)
    return;
  internal::wake_list wakes;
  static_cast<internal::outlet&>(*end).fail(
    failure{std::make_exception_ptr(
      error{"an actor ended without having completed its stream"
            + (why.empty() ? why : ": " + why)})},
    wakes);
}

void set_handlers(internal::task& where, caf::behavior handlers) {
  static_cast<internal::host&>(where).set_handlers(std::move(handlers));
}

caf::event_based_actor& actor_of(internal::task& where) {
  return static_cast<internal::host&>(where);
}

void throw_no_end(const char* what) {
  throw usage_error{std::string{what}
                    + ": not open; it was moved from, or never opened on a "
                      "buffer"};
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
    if (phase == internal::run_phase::ended)
      throw runnable_ended{start + "has ended, and is no actor any more"};
    if (!running)
      throw usage_error{start + "is being started, and is no actor yet"};
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
