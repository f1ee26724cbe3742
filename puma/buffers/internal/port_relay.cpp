// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/port_parts.hpp"

#include <algorithm>
#include <utility>

// Subscriptions of runnables that may be restarted in another process.
namespace puma::internal {

namespace {

/// A batch leaves when it has this size, or when nothing more waits.
constexpr std::size_t batch_bytes = 64 * 1024;

/// Room for any number of values: the home bounds them.
constexpr std::size_t unbounded = std::size_t{1} << 62;

void say_nothing(const queue&, queue::event, std::uint64_t) {
  // What is left over belongs to the home.
}

} // namespace

bool port::is_subscribed() const noexcept {
  if (relay_in_)
    return !relay_in_->refused;
  return queue_->inlet_ && !queue_->refusal_;
}

std::uint64_t port::published() const {
  const guard lock{queue_->mutex_};
  return queue_->stats_.accepted;
}

bool port::has_sent(std::uint64_t count) const {
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  return broken_ || ended_ || !q.away_
         || q.stats_.accepted
                - std::min(q.stats_.accepted, q.listed_count_ + in_hand_)
              >= count;
}

// -- at home ------------------------------------------------------------------

void port::start_relay(node_id to, std::uint64_t number) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (broken_)
    return;
  if (relay_out_) {
    relay_out_->next = {to, number}; // what came back goes first
  } else {
    relay_out_ = std::make_unique<relay_out>();
    relay_out_->to = to;
    relay_out_->number = number;
  }
  wakes.add(*this, wake::change);
}

void port::stop_relay(std::optional<std::uint64_t> handled) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (!relay_out_)
    return;
  if (relay_out_->over) {
    relay_out_->next.reset(); // it had not begun
    return;
  }
  relay_out_->over = true;
  relay_out_->handled = handled;
  queue_->frozen_ = true; // until what is not safe is back
  wakes.add(*this, wake::change);
}

void port::end_relay() {
  std::unique_ptr<relay_out> x;
  {
    const guard lock{queue_->mutex_};
    if (!relay_out_ || !relay_out_->over)
      return;
    queue_->consumer_waits_ = false;
    queue_->consumer_waker_ = nullptr;
  }
  // Only this function, which is never active twice, lets go of it.
  roll_back(
    *relay_out_,
    std::min(relay_out_->handled.value_or(relay_out_->safe), relay_out_->sent));
  wake_list wakes;
  const guard lock{queue_->mutex_};
  x = std::move(relay_out_);
  if (!held_)
    queue_->frozen_ = false;
  if (x->next && !broken_) {
    relay_out_ = std::make_unique<relay_out>();
    std::tie(relay_out_->to, relay_out_->number) = *x->next;
  }
  queue_->wake_consumer(wakes);
  queue_->wake_waiters(wakes);
}

void port::roll_back(relay_out& x, std::uint64_t safe) {
  auto& q = *queue_;
  chunk_list back;
  std::uint64_t count = 0;
  for (auto& batch : x.window) {
    if (batch.first + batch.count <= safe)
      continue;
    decoder in{batch.text->bytes(), static_cast<void*>(&context_)};
    for (auto at = batch.first; at != batch.first + batch.count;) {
      const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(
        batch.first + batch.count - at, q.chunk_limit_));
      auto* part = new_chunk(n, q.ops_);
      part->end = static_cast<std::uint32_t>(
        wire_.decode(in, part->at(0, q.ops_), n));
      const auto done = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(at < safe ? safe - at : 0, part->end));
      q.ops_.destroy(part->at(0, q.ops_), done);
      part->begin = done;
      at += n;
      if (part->end != n || part->begin == part->end) {
        const bool damaged = part->end != n;
        delete_chunk(part, q.ops_);
        if (damaged)
          throw error{"buffer '" + q.name_
                      + "': values that were kept cannot be read: "
                      + in.error()};
        continue;
      }
      count += part->count();
      back.push_back(part);
    }
  }
  const guard lock{q.mutex_};
  // What was handled, as is known only now, has freed its places.
  if (safe > x.consumed) {
    q.released_.fetch_add(safe - x.consumed, std::memory_order_release);
    x.consumed = safe;
  }
  const auto again = x.consumed - safe;
  q.reserved_ += again;
  q.stats_.redelivered += again;
  q.listed_count_ += count;
  q.listed_.prepend(back);
}

void port::relay_values() {
  auto& q = *queue_;
  for (;;) {
    chunk_list chunks;
    const failure* error = nullptr;
    bool at_end = false;
    relay_out* x = nullptr;
    {
      const guard lock{q.mutex_};
      x = relay_out_.get();
      if (!x || x->over || broken_ || held_ || q.away_)
        return;
      // It keeps no more than that, and always the next value.
      const bool full = !x->window.empty()
                        && (x->sent - x->safe >= 2 * q.capacity_
                            || x->bytes >= 2 * bytes_window);
      if (full)
        return; // an acknowledgement will go on
      if (q.listed_.empty()) {
        q.consumer_waker_ = this;
        q.consumer_waits_ = true;
        if (q.ending_ == queue::ending::open || x->end_sent)
          return;
        x->end_sent = true;
        at_end = true;
        error = q.error_.get();
      }
    }
    if (!x->out)
      x->out = context_.connect(x->to);
    if (!x->out)
      return; // its end is about to be announced
    if (at_end) {
      encoder text;
      if (error)
        encode(text, *error);
      x->out->send(link_frame::relay_end, id_,
                   bytes_of(relay_head{x->number, 0}), text.bytes());
      return;
    }
    if (x->out->is_congested(shared_from_this()))
      return;
    auto text = std::make_shared<encoder>(static_cast<void*>(&context_));
    text->set_leaves_host(host_of(x->to) != host_of(context_.self()));
    std::uint64_t count = 0;
    while (text->size() < batch_bytes) {
      chunk* part = nullptr;
      {
        const guard lock{q.mutex_};
        if (q.listed_.empty())
          break;
        part = q.listed_.pop_front();
        q.listed_count_ -= part->count();
      }
      while (part->begin != part->end && text->size() < batch_bytes) {
        const auto n = q.ops_.trivial ? part->count() : 1;
        wire_.encode(*text, part->at(part->begin, q.ops_), n);
        q.ops_.destroy(part->at(part->begin, q.ops_), n);
        part->begin += n;
        count += n;
      }
      const guard lock{q.mutex_};
      if (part->begin != part->end) {
        q.listed_count_ += part->count();
        q.listed_.push_front(part);
      } else {
        part->begin = part->end = 0;
        q.recycle(part);
      }
    }
    {
      const guard lock{q.mutex_};
      x->window.push_back({text, x->sent, count});
      x->sent += count;
      x->bytes += text->size();
      if (x->over)
        return; // it comes back with the rest
    }
    auto body = text->bytes();
    while (body.size() > piece_bytes) {
      x->out->send(link_frame::relay_piece, id_, {}, body.first(piece_bytes),
                   text);
      body = body.subspan(piece_bytes);
    }
    x->out->send(link_frame::relay, id_, bytes_of(relay_head{x->number, count}),
                 body, text);
  }
}

void port::on_relay_ack(bytes body) {
  const auto head = take_head<relay_ack_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto* x = relay_out_.get();
  if (!x || x->over || x->number != head.number)
    return;
  auto& q = *queue_;
  if (head.consumed > x->sent || head.safe > head.consumed)
    throw error{"buffer '" + q.name_ + "': more was acknowledged than sent"};
  if (head.consumed > x->consumed) {
    q.released_.fetch_add(head.consumed - x->consumed,
                          std::memory_order_release);
    x->consumed = head.consumed;
  }
  x->safe = std::max(x->safe, head.safe);
  while (!x->window.empty()
         && x->window.front().first + x->window.front().count <= x->safe) {
    x->bytes -= x->window.front().text->size();
    x->window.pop_front();
  }
  q.wake_waiters(wakes);
  wakes.add(*this, wake::room);
}

// -- where the subscription is ------------------------------------------------

std::shared_ptr<queue> port::relay_for(const std::shared_ptr<queue>& source) {
  auto& q = *source;
  const guard lock{q.mutex_};
  auto* self = static_cast<port*>(q.port_);
  if (!self || self->context_.self() == owner_node || q.inlet_
      || self->relay_in_)
    return nullptr;
  auto x = std::make_unique<relay_in>();
  x->values = std::make_shared<queue>(q.name_, unbounded, q.ops_,
                                      buffer_options{}, &say_nothing);
  x->number = (std::uint64_t{self->context_.self()} << 32u)
              | ++self->last_relay_;
  x->wait.who = self;
  self->relay_in_ = std::move(x);
  return self->relay_in_->values;
}

void port::close_relay() {
  std::uint64_t handled = 0;
  std::unique_ptr<relay_in> gone;
  {
    const guard lock{queue_->mutex_};
    if (!relay_in_ || queue_->inlet_)
      return;
    auto& values = *relay_in_->values;
    {
      const guard inner{values.mutex_};
      if (relay_in_->wait.waiting)
        values.remove_waiter(relay_in_->wait);
      handled = values.released_.load(std::memory_order_acquire);
    }
    gone = std::move(relay_in_);
    if (!std::exchange(subscription_told_, false))
      return;
  }
  context_.tell_home(id_, port_context::note::unsubscribed, handled);
}

void port::on_relay(bytes body) {
  const auto head = take_head<relay_head>(body);
  std::shared_ptr<queue> values;
  std::shared_ptr<encoder> whole;
  {
    const guard lock{queue_->mutex_};
    if (!relay_in_)
      return;
    whole = std::move(relay_in_->pieces);
    if (relay_in_->number != head.number)
      return; // for one that is gone
    values = relay_in_->values;
  }
  if (whole) {
    whole->block(body.data(), body.size());
    body = whole->bytes();
  }
  auto& q = *values;
  if (wire_.least_bytes != 0 && head.count > body.size() / wire_.least_bytes)
    throw error{"buffer '" + q.name_ + "': " + std::to_string(head.count)
                + " values do not fit into " + std::to_string(body.size())
                + " bytes"};
  decoder in{body, static_cast<void*>(&context_)};
  chunk_list chunks;
  for (auto left = head.count; left != 0 && in.ok();) {
    const auto n = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(left, q.chunk_limit_));
    auto* part = new_chunk(n, q.ops_);
    part->end = static_cast<std::uint32_t>(
      wire_.decode(in, part->at(0, q.ops_), n));
    chunks.push_back(part);
    left -= n;
  }
  if (!in.ok() || in.remaining() != 0) {
    while (!chunks.empty())
      delete_chunk(chunks.pop_front(), q.ops_);
    throw error{"buffer '" + q.name_ + "': values that cannot be read: "
                + (in.ok() ? "some bytes are left over" : in.error())};
  }
  wake_list wakes;
  {
    const guard lock{q.mutex_};
    q.reserved_ += head.count;
    while (!chunks.empty())
      if (auto* spare = q.append(chunks.pop_front(), wakes))
        q.recycle(spare);
  }
  wakes.add(*this, wake::room);
}

void port::on_relay_end(bytes body) {
  const auto head = take_head<relay_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (!relay_in_ || relay_in_->number != head.number)
    return;
  auto& values = *relay_in_->values;
  const guard inner{values.mutex_};
  if (values.ending_ != queue::ending::open)
    return;
  if (!body.empty()) {
    values.end_with(take_failure(body), wakes);
    return;
  }
  values.ending_ = queue::ending::completed;
  values.wake_consumer(wakes);
}

void port::acknowledge() {
  relay_ack_head head{};
  carrier_ptr back;
  bool tell = false;
  std::optional<std::uint64_t> ask;
  {
    wake_list wakes;
    const guard lock{queue_->mutex_};
    auto* x = relay_in_.get();
    if (!x || broken_)
      return;
    auto& values = *x->values;
    const guard inner{values.mutex_};
    auto told = x->told_consumed;
    for (;;) {
      const auto consumed = values.released_.load(std::memory_order_acquire);
      const auto flushed = values.flushed_.load(std::memory_order_acquire);
      const auto news = consumed - x->told_consumed;
      tell = news != 0
             && (news >= std::max<std::uint64_t>(queue_->capacity_ / 4, 1)
                 || values.listed_.empty());
      told = tell ? consumed : x->told_consumed;
      if (!x->asked && flushed > x->told_safe)
        ask = flushed;
      const bool all_known = told == values.stats_.accepted
                             && flushed == consumed;
      if (all_known || x->wait.waiting)
        break;
      // And look again, because that may have changed meanwhile.
      values.add_waiter(x->wait, wakes);
    }
    x->told_consumed = told;
    x->asked = x->asked || ask.has_value();
    head = {x->number, x->told_consumed,
            std::min(x->told_safe, x->told_consumed)};
    if (tell && !x->back)
      x->back = context_.connect(owner_node);
    back = x->back;
  }
  if (tell && back)
    back->send(link_frame::relay_ack, id_, bytes_of(head), {});
  if (!ask)
    return;
  context_.when_passed_on_from(
    *this, [self = shared_from_this(), number = head.number, safe = *ask] {
      self->on_passed_on(number, safe);
    });
}

void port::on_passed_on(std::uint64_t number, std::uint64_t safe) {
  relay_ack_head head{};
  carrier_ptr back;
  {
    wake_list wakes;
    const guard lock{queue_->mutex_};
    auto* x = relay_in_.get();
    if (!x || x->number != number)
      return;
    x->asked = false;
    x->told_safe = safe;
    x->told_consumed = std::max(x->told_consumed, safe);
    if (!x->back)
      x->back = context_.connect(owner_node);
    back = x->back;
    head = {number, x->told_consumed, safe};
    wakes.add(*this, wake::room); // there may be more by now
  }
  if (back)
    back->send(link_frame::relay_ack, id_, bytes_of(head), {});
}

} // namespace puma::internal
