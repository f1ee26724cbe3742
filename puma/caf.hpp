// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runnable.hpp"
#include "puma/actors/runner.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/environments/runtime.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scheduled_actor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/// The one header for those who use puma and CAF side by side; link
/// `puma::caf`. What else it takes is declared where it belongs:
/// `runtime::actor_system`, in which own actors are spawned, and
/// `runner::actor`.
///
/// A *blocking* actor (`caf::blocking_actor`, `caf::scoped_actor`) has a thread
/// of its own, and uses buffers as any thread does. An *event-based* actor
/// shares its thread with others and must not wait; for it there are the ends
/// below.
namespace puma {

namespace detail {
class actor_waker;
} // namespace detail

/// Comes to an actor when an `actor_subscription` of it has something again.
class ready {
 public:
  ready() = default;

  explicit ready(std::shared_ptr<const void> token) noexcept
    : token_(std::move(token)) {}

 private:
  std::shared_ptr<const void> token_; // tells when it has been handled
};

/// Comes to an actor when an `actor_publisher` of it has room again, or nobody
/// left to publish for. A hint: somebody else may have been faster.
class room {
 public:
  room() = default;

  explicit room(std::shared_ptr<const void> token) noexcept
    : token_(std::move(token)) {}

 private:
  std::shared_ptr<const void> token_;
};

namespace detail {

struct actor_waker_deleter {
  void operator()(actor_waker* x) const noexcept;
};

using actor_waker_ptr = std::unique_ptr<actor_waker, actor_waker_deleter>;

/// An actor's end of a buffer; also known to what closes it with the actor.
struct actor_input {
  actor_waker_ptr waker; // outlives the end
  inlet_ptr end;
  int busy = 0;              // `take`s that run
  bool close_wanted = false; // by one of their hooks
};

struct actor_output {
  actor_waker_ptr waker; // outlives the end
  outlet_ptr end;
};

using actor_input_ptr = std::shared_ptr<actor_input>;
using actor_output_ptr = std::shared_ptr<actor_output>;

[[nodiscard]] actor_input_ptr open_input(caf::scheduled_actor& self,
                                         const buffer_core& from);
[[nodiscard]] actor_output_ptr open_output(caf::scheduled_actor& self,
                                           const buffer_core& to,
                                           publish_options options);

/// As `try_receive`; on `empty` a message comes once that changes.
receive_status try_receive(actor_input& from);

/// Lets a message come, behind what the actor is doing.
void come_again(actor_input& from);

/// Closes it, now or when the last `take` returns.
void close(actor_input& x) noexcept;

/// As `try_publish`; on `full` a message comes once that changes.
publish_result try_publish(actor_output& to, void* value);

/// To be called when its stream has been ended.
void end_output(actor_output& x) noexcept;

/// Fails its stream, if that has not ended; `why` says how the actor ended.
void abandon(actor_output& x, const std::string& why) noexcept;

/// Makes `handlers` what the runnable answers messages with.
void set_handlers(internal::task& where, caf::behavior handlers);

[[nodiscard]] caf::event_based_actor& actor_of(internal::task& where);

[[noreturn]] void throw_no_end(const char* what);

} // namespace detail

/// The subscription of an event-based actor, to be kept in its state.
///
/// A `ready` comes when there is something: once after it was made, and once
/// after each time that there was nothing left. Then call `take`. So the
/// actor's behavior has a handler such as
///
///     [self](const puma::ready&) { self->state.in.take([&](int& x) { … }); }
///
/// At most one such message is under way. While there is something to wait for,
/// the actor is kept alive, also if nobody refers to it.
///
/// *Threads.* To be used by its actor alone.
///
/// *Lifetime.* When the actor ends, values not yet received stay in the buffer.
/// The runtime must outlive the actor.
template <class T>
class actor_subscription {
 public:
  /// How many values `take` hands over before other actors get their turn.
  static constexpr std::size_t batch = 64;

  /// A subscription to nothing; using it is a `usage_error`.
  actor_subscription() noexcept = default;

  /// Subscribes; throws `usage_error` when the buffer has a subscription.
  actor_subscription(caf::scheduled_actor* self, const buffer<T>& from)
    : core_(detail::open_input(*self, from.core())) {}

  actor_subscription(actor_subscription&&) noexcept = default;

  actor_subscription& operator=(actor_subscription&& other) noexcept {
    if (this != &other) {
      if (core_)
        detail::close(*core_);
      core_ = std::move(other.core_);
    }
    return *this;
  }

  ~actor_subscription() {
    if (core_)
      detail::close(*core_);
  }

  /// Hands what is there to `on_value(T&)`. Returns `value` when there may be
  /// more, `empty` when not, and both times a `ready` will come; `completed` or
  /// `failed` at the end of the stream. After `unsubscribe`: `empty`.
  ///
  /// `on_value` may return false for a value that it cannot take now, because a
  /// publisher has no room for it, say: it stays the next one, `take` returns
  /// `value`, and no message comes; call `take` again when it can be taken.
  template <class F>
  receive_status take(F&& on_value) {
    const busy inside{core()};
    auto& x = *inside.core;
    for (std::size_t n = 0; n != batch; ++n) {
      if (!x.end || x.close_wanted)
        return receive_status::empty;
      const auto status = detail::try_receive(x);
      if (status != receive_status::value)
        return status;
      auto& value = *reinterpret_cast<T*>(x.end->next);
      if constexpr (std::is_same_v<std::invoke_result_t<F&, T&>, bool>) {
        if (!std::invoke(on_value, value))
          return status;
        const done guard{x.end.get()};
      } else {
        const done guard{x.end.get()};
        std::invoke(on_value, value);
      }
    }
    detail::come_again(x);
    return receive_status::value;
  }

  /// The error that ended the stream. @pre `take` has returned `failed`
  [[nodiscard]] const failure& error() const {
    return detail::error_of(core()->end.get());
  }

  /// Lets the values not yet received stay in the buffer.
  void unsubscribe() { detail::close(*core()); }

 private:
  /// Frees the place of the value in hand.
  struct done {
    detail::read_window* in;

    ~done() {
      detail::value_ops_of<T>::destroy(in->next, 1);
      detail::release_one(in, sizeof(T));
    }
  };

  /// Keeps the end until `take` returns.
  struct busy {
    detail::actor_input_ptr core;

    explicit busy(detail::actor_input_ptr x) : core(std::move(x)) {
      ++core->busy;
    }

    busy(const busy&) = delete;
    busy& operator=(const busy&) = delete;

    ~busy() {
      --core->busy;
      if (core->close_wanted)
        detail::close(*core);
    }
  };

  [[nodiscard]] const detail::actor_input_ptr& core() const {
    if (!core_)
      detail::throw_no_end("actor_subscription");
    return core_;
  }

  detail::actor_input_ptr core_;
};

/// The publisher of an event-based actor, to be kept in its state.
///
/// *Threads.* To be used by its actor alone.
///
/// *Lifetime.* When the actor ends, in whatever way, without `complete` or
/// `fail`, the stream fails, so that nobody waits for it for ever. While a
/// `room` is to come, the actor is kept alive. The runtime must outlive it;
/// when the runtime drains, publishers get `closed`.
template <class T>
class actor_publisher {
 public:
  /// A publisher to nothing; using it is a `usage_error`.
  actor_publisher() noexcept = default;

  actor_publisher(caf::scheduled_actor* self, const buffer<T>& to,
                  publish_options options = {})
    : core_(detail::open_output(*self, to.core(), options)) {}

  actor_publisher(actor_publisher&&) noexcept = default;

  actor_publisher& operator=(actor_publisher&& other) noexcept {
    if (this != &other) {
      if (core_)
        detail::abandon(*core_, {});
      core_ = std::move(other.core_);
    }
    return *this;
  }

  ~actor_publisher() {
    if (core_)
      detail::abandon(*core_, {});
  }

  /// Publishes without waiting. `full` leaves the value untouched, and one
  /// `room` comes when there is room again. `closed` when nobody can receive it
  /// any more, or the stream was ended here.
  [[nodiscard]] publish_result try_publish(T&& value) {
    return detail::try_publish(*core(), &value);
  }

  [[nodiscard]] publish_result try_publish(const T& value) {
    return try_publish(T(value));
  }

  /// Ends this publisher's stream. Once; then it is a `usage_error`.
  void complete() {
    detail::complete(core()->end.get());
    detail::end_output(*core_);
  }

  /// Ends it with an error.
  void fail(const failure& error) {
    detail::fail(core()->end.get(), error);
    detail::end_output(*core_);
  }

 private:
  [[nodiscard]] const detail::actor_output_ptr& core() const {
    if (!core_)
      detail::throw_no_end("actor_publisher");
    return core_;
  }

  detail::actor_output_ptr core_;
};

/// Makes a runnable answer messages of actors: to be called in its constructor
/// or in a hook (`answer_messages(*this, {…})`), again to change the handlers.
/// They run in the runnable's scope, between two values, as calls do; what they
/// publish is not held back by full outputs, up to the bound of the outbox. An
/// exception in a handler ends the runnable; requests that wait in its mailbox
/// then get an error. Actors reach it with `runner::actor`.
template <class Runnable>
void answer_messages(Runnable& self, caf::behavior handlers) {
  detail::set_handlers(detail::task_of(self), std::move(handlers));
}

/// Returns the runnable as CAF sees it: for `current_sender`,
/// `make_response_promise`, `delegate`, `request` and `send`. To be used in its
/// hooks and handlers only; promises are to be delivered there, too.
template <class Runnable>
[[nodiscard]] caf::event_based_actor& actor_of(Runnable& self) {
  return detail::actor_of(detail::task_of(self));
}

} // namespace puma

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(puma::ready)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(puma::room)
