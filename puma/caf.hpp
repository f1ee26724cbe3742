// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runnable.hpp"
#include "puma/actors/runner.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/environments/runtime.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>
#include <caf/atom.hpp>
#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
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

/// Comes to an actor when an `actor_subscription` of it has something again.
using ready_atom = caf::atom_constant<caf::atom("puma_ready")>;

/// Comes to an actor when an `actor_publisher` of it has room again.
using room_atom = caf::atom_constant<caf::atom("puma_room")>;

namespace detail {

/// Sends an actor a message when a buffer has something for it.
class actor_waker;

struct actor_waker_deleter {
  void operator()(actor_waker* x) const noexcept;
};

using actor_waker_ptr = std::unique_ptr<actor_waker, actor_waker_deleter>;

[[nodiscard]] actor_waker_ptr make_actor_waker(caf::event_based_actor& self,
                                               caf::atom_value what);

/// Sends the message, unless it is under way.
void wake(actor_waker& x);

/// As `try_receive`; on `empty`, `who` is woken once that changes.
receive_status try_receive(read_window* x, actor_waker& who);

/// As `try_publish`; on `full`, `who` is woken once that changes.
publish_result try_publish(write_window* x, void* value, actor_waker& who);

/// Fails the stream of an actor that has ended without an end of its stream.
void abandon(write_window* x, const actor_waker& who) noexcept;

/// Makes `handlers` what the runnable answers messages with.
void set_handlers(internal::task& where, caf::behavior handlers);

} // namespace detail

/// The subscription of an event-based actor, to be kept in its state.
///
/// A `ready_atom` comes when there is something: once after it was made, and
/// once after each time that there was nothing left. Then call `take`. So the
/// actor's behavior has a handler such as
///
///     [self](puma::ready_atom) { self->state.in.take([&](int& x) { … }); }
///
/// *Threads.* To be used by its actor alone.
///
/// *Lifetime.* When it goes, with the actor, values not yet received stay in
/// the buffer. The runtime must outlive it.
template <class T>
class actor_subscription {
 public:
  /// How many values `take` hands over before other actors get their turn.
  static constexpr std::size_t batch = 64;

  /// A subscription to nothing; using it is a `usage_error`.
  actor_subscription() noexcept = default;

  /// Subscribes; throws `usage_error` when the buffer has a subscription.
  actor_subscription(caf::event_based_actor* self, const buffer<T>& from)
    : waker_(detail::make_actor_waker(*self, ready_atom::value)),
      end_(detail::open_inlet(from.core())) {
    detail::wake(*waker_);
  }

  actor_subscription(actor_subscription&&) noexcept = default;
  actor_subscription& operator=(actor_subscription&&) noexcept = default;

  [[nodiscard]] std::string_view name() const {
    return detail::name_of(end_.get());
  }

  /// Hands what is there to `on_value(T&)`. Returns `value` when there may be
  /// more, `empty` when not, and both times a `ready_atom` will come;
  /// `completed` or `failed` at the end of the stream.
  ///
  /// `on_value` may return false for a value that it cannot take now, because a
  /// publisher has no room for it, say: it stays the next one, `take` returns
  /// `value`, and no message comes; call `take` again when it can be taken.
  template <class F>
  receive_status take(F&& on_value) {
    for (std::size_t n = 0; n != batch; ++n) {
      const auto status = end_ ? detail::try_receive(end_.get(), *waker_)
                               : detail::try_receive(end_.get());
      if (status != receive_status::value)
        return status;
      if constexpr (std::is_same_v<std::invoke_result_t<F&, T&>, bool>) {
        if (!std::invoke(on_value, *reinterpret_cast<T*>(end_->next)))
          return status;
        const done guard{end_.get()};
      } else {
        const done guard{end_.get()};
        std::invoke(on_value, *reinterpret_cast<T*>(end_->next));
      }
    }
    detail::wake(*waker_);
    return receive_status::value;
  }

  /// The error that ended the stream. @pre `take` has returned `failed`
  [[nodiscard]] const failure& error() const {
    return detail::error_of(end_.get());
  }

  /// Lets the values not yet received stay in the buffer.
  void unsubscribe() { end_.reset(); }

 private:
  /// Frees the place of the value in hand.
  struct done {
    detail::read_window* in;

    ~done() {
      detail::value_ops_of<T>::destroy(in->next, 1);
      detail::release_one(in, sizeof(T));
    }
  };

  detail::actor_waker_ptr waker_; // outlives the end
  detail::inlet_ptr end_;
};

/// The publisher of an event-based actor, to be kept in its state.
///
/// *Threads.* To be used by its actor alone.
///
/// *Lifetime.* When it goes, with the actor, without `complete` or `fail`, the
/// stream fails, so that nobody waits for it for ever. The runtime must outlive
/// it.
template <class T>
class actor_publisher {
 public:
  /// A publisher to nothing; using it is a `usage_error`.
  actor_publisher() noexcept = default;

  actor_publisher(caf::event_based_actor* self, const buffer<T>& to)
    : waker_(detail::make_actor_waker(*self, room_atom::value)),
      end_(detail::open_outlet(to.core(), {})) {}

  actor_publisher(actor_publisher&&) noexcept = default;

  actor_publisher& operator=(actor_publisher&& other) noexcept {
    if (this != &other) {
      abandon();
      end_ = std::move(other.end_);
      waker_ = std::move(other.waker_);
    }
    return *this;
  }

  ~actor_publisher() { abandon(); }

  [[nodiscard]] std::string_view name() const {
    return detail::name_of(end_.get());
  }

  /// Publishes without waiting. `full` leaves the value untouched, and one
  /// `room_atom` comes when there is room again, or nobody left to publish for.
  [[nodiscard]] publish_result try_publish(T&& value) {
    return end_ ? detail::try_publish(end_.get(), &value, *waker_)
                : detail::try_publish(end_.get(), &value);
  }

  [[nodiscard]] publish_result try_publish(const T& value) {
    return try_publish(T(value));
  }

  /// Ends this publisher's stream.
  void complete() {
    detail::complete(end_.get());
    end_.reset();
  }

  /// Ends it with an error.
  void fail(const failure& error) {
    detail::fail(end_.get(), error);
    end_.reset();
  }

 private:
  void abandon() noexcept {
    if (end_)
      detail::abandon(end_.get(), *waker_);
    end_.reset();
  }

  detail::actor_waker_ptr waker_; // outlives the end
  detail::outlet_ptr end_;
};

/// Makes a runnable answer messages of actors: to be called in its constructor
/// or in a hook (`answer_messages(*this, {…})`), again to change the handlers.
/// They run in the runnable's scope, between two values, as calls do. An
/// exception in a handler ends the runnable; requests that are then unanswered
/// get an error. Actors reach it with `runner::actor`.
template <class Runnable>
void answer_messages(Runnable& self, caf::behavior handlers) {
  detail::set_handlers(detail::task_of(self), std::move(handlers));
}

} // namespace puma
