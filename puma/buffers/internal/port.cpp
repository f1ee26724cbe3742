// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/port_parts.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>

namespace puma::internal {

port::port(port_context& context, buffer_id id, detail::buffer_core_ptr core)
  : context_(context),
    id_(id),
    core_(std::move(core)),
    queue_(core_->queue()),
    wire_(*queue_->ops().wire),
    seat_(context.self()),
    batch_(std::make_shared<encoder>(static_cast<void*>(&context))) {}

port::port(port_context& context, buffer_id id, detail::buffer_core_ptr core,
           node_id seat, bool held)
  : port(context, id, std::move(core)) {
  seat_ = seat;
  held_ = held;
  auto& q = *queue_;
  const guard lock{q.mutex_};
  q.port_ = this;
  q.away_ = true;
  q.opening_ = true;
  q.bound_ = 0;
}

port::~port() {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  queue_->port_ = nullptr;
  for (auto& x : links_)
    if (x->wait.waiting)
      queue_->remove_waiter(x->wait);
  while (!moving_.empty())
    delete_chunk(moving_.pop_front(), queue_->ops_);
  if (current_)
    delete_chunk(current_, queue_->ops_);
  recycle_spent();
}

void port::attach() {
  {
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    q.port_ = this;
  }
  signal(wake::change);
}

void port::detach() noexcept {
  {
    const guard lock{queue_->mutex_};
    queue_->port_ = nullptr;
    queue_->port_waits_ = false;
    queue_->recalled_ = false;
  }
  while (bits_.load(std::memory_order_acquire) != 0)
    std::this_thread::yield();
}

std::shared_ptr<port> port::of(const detail::buffer_core& x) {
  const guard lock{x.queue()->mutex_};
  auto* result = static_cast<port*>(x.queue()->port_);
  return result ? result->shared_from_this() : nullptr;
}

// -- waking -------------------------------------------------------------------

bool port::arm(wake::bits what) noexcept {
  const auto before = bits_.fetch_or(what | scheduled,
                                     std::memory_order_acq_rel);
  if ((before & scheduled) != 0)
    return false;
  self_ = shared_from_this();
  return true;
}

void port::fire(urgency) noexcept {
  for (;;) {
    bits_.fetch_and(scheduled, std::memory_order_acq_rel);
    try {
      round();
    } catch (const std::exception& x) {
      // Out of memory: what was taken is lost, and with it the stream.
      break_off(failure{std::current_exception()});
      static_cast<void>(x);
    }
    context_.worked(*this);
    auto now = bits_.load(std::memory_order_acquire);
    auto keep = std::move(self_);
    while (now == scheduled)
      if (bits_.compare_exchange_weak(now, 0, std::memory_order_acq_rel))
        return;
    self_ = std::move(keep);
  }
}

void port::signal(wake::bits what) noexcept {
  wake_list wakes;
  wakes.add(*this, what);
}

// -- told by the home ---------------------------------------------------------

void port::refuse(const failure& error) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (!queue_->inlet_)
    return;
  queue_->refusal_ = std::make_unique<failure>(error);
  if (relay_in_) {
    relay_in_->refused = true;
    auto& values = *relay_in_->values;
    const guard inner{values.mutex_};
    values.refusal_ = std::make_unique<failure>(error);
    values.wake_consumer(wakes);
  }
  if (queue_->consumer_waits_) {
    queue_->consumer_waits_ = false;
    wakes.add(*queue_->consumer_waker_, wake::data);
  }
  wakes.add(*this, wake::change);
}

void port::set_subscribed_elsewhere(bool x) {
  const guard lock{queue_->mutex_};
  queue_->subscribed_elsewhere_ = x;
}

void port::break_off(const failure& error) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (std::exchange(broken_, true))
    return;
  auto& q = *queue_;
  q.frozen_ = false;
  held_ = answer_due_ = link_open_ = must_open_ = false;
  ended_ = true;
  shipping_.reset();
  for (auto& x : links_)
    end_link(*x);
  if (relay_out_) {
    relay_out_->over = true;
    relay_out_->next.reset();
  }
  if (relay_in_) {
    auto& values = *relay_in_->values;
    const guard inner{values.mutex_};
    if (values.ending_ == queue::ending::open)
      values.end_with(error, wakes);
  }
  if (q.away_) {
    // What was on its way to the seat, or waited for a place there.
    for (auto* x = q.listed_.head; x; x = x->next)
      q.stats_.lost += x->count();
    while (!q.listed_.empty())
      delete_chunk(q.listed_.pop_front(), q.ops_);
    // Of what it got from here, all may be gone that it has not made room for
    // since.
    const auto granted = q.released_.load(std::memory_order_relaxed);
    q.stats_.lost += std::min(
      {q.capacity_, q.taken_before_,
       q.sent_ + q.capacity_ - std::min(granted, q.sent_ + q.capacity_)});
    q.reserved_ -= std::min(q.reserved_ - q.sent_, q.listed_count_);
    q.taken_before_ += std::exchange(q.listed_count_, 0); // they are gone
    become_seat();
  }
  if (q.ending_ == queue::ending::open)
    q.end_with(error, wakes);
  q.wake_consumer(wakes);
  wakes.add(*this, wake::change);
}

void port::become_seat() noexcept {
  auto& q = *queue_;
  q.away_ = false;
  q.opening_ = false;
  q.recalled_ = false;
  q.bound_ = q.capacity_;
  q.released_.store(q.sent_, std::memory_order_relaxed);
  q.seat_base_ = q.sent_;
}

void port::node_gone(node_id who, const failure& error, bool spared) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  marked_[who] = std::max(marked_[who], epoch_);
  const bool expected = expected_.contains(who);
  drop_expected(who);
  bool was_open = false;
  for (auto i = links_.begin(); i != links_.end();) {
    auto& x = **i;
    if (x.from->peer() != who) {
      ++i;
      continue;
    }
    was_open = was_open || x.open;
    end_link(x);
    i = links_.erase(i);
  }
  if (!spared && (was_open || expected) && q.ending_ == queue::ending::open)
    q.end_with(error, wakes);
  q.end_if_done(wakes);
  q.wake_waiters(wakes);
  wakes.add(*this, wake::change);
}

// -- observers ----------------------------------------------------------------

bool port::publishes() const noexcept {
  auto& q = *queue_;
  return q.publishers_ + q.tokens_ != 0 && q.ending_ != queue::ending::failed;
}

bool port::needs_link() const noexcept {
  auto& q = *queue_;
  return !ended_
         && (q.publishers_ + q.tokens_ != 0 || q.completed_ != 0
             || !q.listed_.empty() || sending_ || q.token_error_
             || q.ending_ == queue::ending::failed);
}

bool port::settled() const {
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  if (broken_)
    return true;
  if (held_ || shipping_ || answer_due_ || announcing_
      || subscription_told_ != is_subscribed())
    return false;
  if (!q.away_)
    return (q.inlet_ && !relay_in_) || context_.self() == owner_node;
  if (ended_)
    return true;
  if (publishes())
    return link_open_;
  return !link_open_ && !must_open_ && !needs_link();
}

bool port::unused() const {
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  return core_.use_count() == 1 && !q.inlet_ && !relay_in_ && !relay_out_
         && !subscription_told_ && !held_ && !shipping_ && links_.empty()
         && q.publishers_ + q.tokens_ == 0
         && (broken_ || ended_
             || (q.away_ ? !link_open_ && !needs_link()
                         : context_.self() == owner_node));
}

// -- a round ------------------------------------------------------------------

void port::round() {
  end_relay();
  report_subscription();
  if (!ship_away())
    return;
  answer_hold();
  bool away = false;
  {
    const guard lock{queue_->mutex_};
    if (broken_) {
      recycle_spent();
      return;
    }
    away = queue_->away_;
  }
  acknowledge();
  if (!away) {
    relay_values();
    serve_links();
    return;
  }
  open_link();
  report_publishers();
  pump();
  close_link();
  report_publishers();
  return_places();
}

void port::report_subscription() {
  using note = port_context::note;
  auto what = note::subscribed;
  std::uint64_t number = 0;
  {
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (!q.inlet_)
      q.refusal_.reset();
    const bool has = is_subscribed();
    if (has == subscription_told_ || (q.inlet_ && q.refusal_))
      return;
    subscription_told_ = has;
    if (!has) {
      what = note::unsubscribed;
    } else if (relay_in_) {
      what = note::relayed;
      number = relay_in_->number;
    }
  }
  context_.tell_home(id_, what, number);
}

// -- frames -------------------------------------------------------------------

void port::receive(const carrier_ptr& from, link_frame what, bytes body) {
  switch (what) {
  case link_frame::open:
    return on_open(from, body);
  case link_frame::piece:
    pieces_of(from)->block(body.data(), body.size());
    return;
  case link_frame::values:
    return on_values(from, body);
  case link_frame::close:
    return on_close(from, body);
  case link_frame::returned:
    return on_returned(from, body);
  case link_frame::mark:
    return on_mark(from, body);
  case link_frame::ship:
    return on_ship(from, body);
  case link_frame::grant:
    return on_grant(body);
  case link_frame::recall:
    return on_recall(body);
  case link_frame::ended:
    return on_ended(body);
  case link_frame::relay_piece: {
    const guard lock{queue_->mutex_};
    if (relay_in_) {
      if (!relay_in_->pieces)
        relay_in_->pieces = std::make_shared<encoder>();
      relay_in_->pieces->block(body.data(), body.size());
    }
    return;
  }
  case link_frame::relay:
    return on_relay(body);
  case link_frame::relay_end:
    return on_relay_end(body);
  case link_frame::relay_ack:
    return on_relay_ack(body);
  }
  throw error{"buffer '" + queue_->name_ + "': unknown frame "
              + std::to_string(static_cast<int>(what))};
}

} // namespace puma::internal
