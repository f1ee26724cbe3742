// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/port_parts.hpp"

#include <algorithm>
#include <utility>

// A port of a process that has publishers, while the seat is in another one.
namespace puma::internal {

namespace {

/// A batch leaves when it has this size, or when nothing more waits.
constexpr std::size_t batch_bytes = 64 * 1024;

/// So many are kept until the carrier has sent them.
constexpr std::size_t most_batches = 3;

} // namespace

void port::open_link() {
  node_id seat = 0;
  {
    const guard lock{queue_->mutex_};
    if (held_ || ended_ || link_open_ || !queue_->away_
        || !(must_open_ || needs_link()))
      return;
    seat = seat_;
  }
  out_ = context_.connect(seat);
  if (!out_)
    return; // its end is about to be announced
  open_head head{};
  {
    const guard lock{queue_->mutex_};
    if (held_ || broken_ || !queue_->away_ || seat_ != seat)
      return;
    announcing_ = true;
    link_open_ = true;
    linked_ = true;
    must_open_ = false;
    head.opening = ++opening_;
    bytes_acknowledged_ = 0;
  }
  sequence_ = 0;
  bytes_sent_ = 0;
  out_->send(link_frame::open, id_, bytes_of(head), {});
  const guard lock{queue_->mutex_};
  announcing_ = false;
}

bool port::take_chunk() {
  auto& q = *queue_;
  if (q.listed_.empty())
    return false;
  // What the last publisher left enters the queue beyond its capacity.
  const auto granted = q.released_.load(std::memory_order_relaxed);
  const auto places = granted > q.sent_ ? granted - q.sent_ : 0;
  auto* first = q.listed_.head;
  if (publishes() && first->count() > places) {
    if (places == 0)
      return false;
    const auto n = static_cast<std::uint32_t>(places);
    current_ = q.get_chunk(n);
    q.ops_.relocate(current_->at(0, q.ops_), first->at(first->begin, q.ops_),
                    n);
    current_->end = n;
    first->begin += n;
  } else {
    current_ = q.listed_.pop_front();
  }
  q.listed_count_ -= current_->count();
  in_hand_ += current_->count();
  sending_ = true;
  return true;
}

void port::pump() {
  auto& q = *queue_;
  std::uint32_t count = 0;
  std::uint32_t beyond = 0;
  const auto flush = [&] {
    if (count != 0)
      send_batch(std::exchange(count, 0), std::exchange(beyond, 0));
  };
  for (;;) {
    bool more = true;
    if (count == 0 && out_ && out_->is_congested(shared_from_this()))
      return;
    {
      const guard lock{q.mutex_};
      recycle_spent();
      if (held_ || !link_open_ || ended_ || broken_) {
        more = false;
      } else if (publishes()
                 && bytes_sent_ + batch_->size() - bytes_acknowledged_
                      >= std::max(bytes_window, 2 * last_batch_bytes_)) {
        more = false; // a grant will say that more have been consumed
      } else if (!current_ && !take_chunk()) {
        q.port_waits_ = true;
        more = false;
      }
    }
    if (!more)
      break;
    const auto n = encode_part();
    count += n;
    {
      const guard lock{q.mutex_};
      q.sent_ += n;
      q.taken_before_ += n;
      const auto granted = q.released_.load(std::memory_order_relaxed);
      if (q.sent_ > granted) {
        beyond += static_cast<std::uint32_t>(q.sent_ - granted);
        q.released_.store(q.sent_, std::memory_order_relaxed);
      }
    }
    if (batch_->size() >= batch_bytes)
      flush();
  }
  flush();
  const guard lock{q.mutex_};
  sending_ = current_ != nullptr;
  in_hand_ = current_ ? current_->count() : 0;
}

std::uint32_t port::encode_part() {
  // Values that own memory may be of any size: go by what they come to.
  const auto& ops = queue_->ops();
  auto& x = *current_;
  const auto before = x.begin;
  const auto bytes_before = batch_->size();
  batch_->set_leaves_host(out_
                          && host_of(out_->peer()) != host_of(context_.self()));
  std::uint32_t run = ops.trivial ? x.count() : 1;
  while (x.begin != x.end) {
    const auto n = std::min(run, x.count());
    wire_.encode(*batch_, x.at(x.begin, ops), n);
    ops.destroy(x.at(x.begin, ops), n);
    x.begin += n;
    const auto used = batch_->size();
    if (used >= batch_bytes)
      break;
    const auto each = std::max<std::size_t>(
      (used - bytes_before) / (x.begin - before), 1);
    run = static_cast<std::uint32_t>(
      std::clamp<std::size_t>((batch_bytes - used) / each, 1, 256));
  }
  const auto result = x.begin - before;
  if (x.begin == x.end) {
    x.begin = x.end = 0;
    spent_.push_back(std::exchange(current_, nullptr));
  }
  return result;
}

void port::send_batch(std::uint32_t count, std::uint32_t beyond) {
  auto body = batch_->bytes();
  bytes_sent_ += body.size();
  last_batch_bytes_ = body.size();
  while (body.size() > piece_bytes) {
    out_->send(link_frame::piece, id_, {}, body.first(piece_bytes), batch_);
    body = body.subspan(piece_bytes);
  }
  const values_head head{sequence_++, count, beyond};
  out_->send(link_frame::values, id_, bytes_of(head), body, batch_);
  next_batch();
}

void port::next_batch() {
  // The carrier may hold on to what it could not send yet. What was grown for a
  // large value serves the next one, when it is back.
  if (batch_->size() <= most_kept_bytes && busy_batches_.size() < most_batches)
    busy_batches_.push_back(std::move(batch_));
  // Also those that are not needed now let go of what they keep.
  const auto idle = std::partition(
    busy_batches_.begin(), busy_batches_.end(),
    [](const std::shared_ptr<encoder>& x) { return x.use_count() != 1; });
  for (auto i = idle; i != busy_batches_.end(); ++i)
    (*i)->clear();
  if (idle != busy_batches_.end()) {
    batch_ = std::move(busy_batches_.back());
    busy_batches_.pop_back();
    return;
  }
  batch_ = std::make_shared<encoder>(static_cast<void*>(&context_));
}

void port::recycle_spent() noexcept {
  while (!spent_.empty())
    queue_->recycle(spent_.pop_front());
}

void port::give_back_current() noexcept {
  if (!current_)
    return;
  queue_->listed_count_ += current_->count();
  queue_->listed_.push_front(std::exchange(current_, nullptr));
  in_hand_ = 0;
  sending_ = false;
}

void port::close_link() {
  close_head head{};
  std::unique_ptr<failure> error;
  {
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (held_ || !link_open_ || ended_ || publishes() || sending_
        || !q.listed_.empty())
      return;
    head.completed = q.completed_ != 0;
    q.completed_ = 0;
    if (q.ending_ == queue::ending::failed) {
      head.failed = 1;
      error = std::make_unique<failure>(*q.error_);
      ended_ = true;
    } else if (q.token_error_) {
      head.withdrew = 1;
      error = std::move(q.token_error_);
    }
    announcing_ = true;
    link_open_ = false;
    q.recalled_ = false;
    q.opening_ = true;
    q.released_.store(q.sent_, std::memory_order_relaxed);
  }
  encoder body;
  if (error)
    encode(body, *error);
  out_->send(link_frame::close, id_, bytes_of(head), body.bytes());
  const guard lock{queue_->mutex_};
  announcing_ = false;
}

void port::report_publishers() {
  using note = port_context::note;
  bool publishing = false;
  {
    const guard lock{queue_->mutex_};
    // What tokens stand for may never come about.
    publishing = link_open_ && queue_->publishers_ != 0;
    if (publishing == std::exchange(publishing_told_, publishing))
      return;
  }
  context_.tell_home(id_, publishing ? note::publishing : note::finished, 0);
}

void port::return_places() {
  returned_head head{};
  {
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (held_ || !link_open_ || ended_)
      return;
    if (!q.recalled_ || q.first_waiter_ || q.room() == 0)
      return;
    head.places = q.room();
    q.released_.fetch_sub(head.places, std::memory_order_relaxed);
    q.recalled_ = false;
  }
  out_->send(link_frame::returned, id_, bytes_of(head), {});
}

void port::on_grant(bytes body) {
  const auto head = take_head<grant_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  if (!link_open_ || head.opening != opening_)
    return;
  bytes_acknowledged_ = std::max(bytes_acknowledged_, head.bytes);
  if (head.places != 0) {
    q.released_.fetch_add(head.places, std::memory_order_relaxed);
    q.opening_ = false;
    q.recalled_ = false;
    q.wake_waiters(wakes);
  } else if (std::exchange(q.opening_, false)) {
    q.wake_all_waiters(wakes); // those who would rather drop than wait
  }
  wakes.add(*this, wake::room);
}

void port::on_recall(bytes body) {
  const auto head = take_head<open_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (!link_open_ || head.opening != opening_)
    return;
  queue_->recalled_ = true;
  wakes.add(*this, wake::room);
}

void port::on_ended(bytes body) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  if (std::exchange(ended_, true))
    return;
  link_open_ = false;
  q.recalled_ = false;
  for (auto* x = q.listed_.head; x; x = x->next)
    q.stats_.after_end += x->count();
  while (!q.listed_.empty())
    delete_chunk(q.listed_.pop_front(), q.ops_);
  q.listed_count_ = 0;
  if (q.ending_ == queue::ending::open) {
    if (body.empty()) {
      q.ending_ = queue::ending::completed;
      q.wake_all_waiters(wakes);
    } else {
      q.end_with(take_failure(body), wakes);
    }
  }
  wakes.add(*this, wake::change);
}

} // namespace puma::internal
