// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/port_parts.hpp"

#include <algorithm>
#include <utility>

// A port of a process while the seat moves.
namespace puma::internal {

void port::hold(std::uint64_t epoch) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (broken_)
    return;
  epoch_ = epoch;
  held_ = true;
  answer_due_ = true;
  if (!queue_->away_) {
    queue_->frozen_ = true;
    if (!std::exchange(blanket_, true))
      ++queue_->tokens_;
  }
  wakes.add(*this, wake::change);
}

void port::ship(std::uint64_t epoch, node_id to, std::vector<node_id> marks) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (epoch != epoch_ || queue_->away_)
    return;
  shipping_.emplace(shipping{epoch, to, std::move(marks), false, {}});
  wakes.add(*this, wake::change);
}

void port::resume(std::uint64_t epoch, node_id seat,
                  const std::vector<node_id>& publishing) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (broken_)
    return;
  auto& q = *queue_;
  // Where it has stayed, there may still be something on its way from here.
  linked_ = linked_ && seat == seat_;
  seat_ = seat;
  resumed_ = std::max(resumed_, epoch);
  // The next move may have been marked already, by another way.
  const bool next_move = epoch < epoch_;
  if (!next_move) {
    epoch_ = epoch;
    held_ = false;
    answer_due_ = false;
  }
  if (seat == context_.self()) {
    for (auto who : publishing)
      if (!opened_.contains(who) && expected_.insert(who).second)
        ++q.tokens_;
    if (!next_move) {
      q.frozen_ = false;
      if (std::exchange(blanket_, false))
        --q.tokens_;
    }
    q.end_if_done(wakes);
    q.wake_consumer(wakes);
    q.wake_waiters(wakes);
  }
  wakes.add(*this, wake::change);
}

void port::answer_hold() {
  using note = port_context::note;
  bool active = false;
  bool marked = false;
  bool in_use = false;
  std::uint64_t epoch = 0;
  {
    const guard lock{queue_->mutex_};
    if (!std::exchange(answer_due_, false))
      return;
    epoch = epoch_;
    if (queue_->away_) {
      give_back_current();
      active = std::exchange(link_open_, false) || needs_link() || must_open_;
      marked = linked_ && out_; // without a connection that process is gone
      // The places that the old seat has lent go with it.
      queue_->opening_ = true;
      queue_->released_.store(queue_->sent_, std::memory_order_relaxed);
      queue_->recalled_ = false;
    } else {
      const auto others = open_links()
                          + static_cast<std::uint32_t>(expected_.size())
                          + (blanket_ ? 1u : 0u);
      active = queue_->publishers_ + queue_->tokens_ != others;
      // What it has in hand could not be shipped.
      in_use = queue_->inlet_ && !queue_->refusal_ && !relay_in_;
    }
    must_open_ = active;
  }
  if (marked)
    out_->send(link_frame::mark, id_, bytes_of(mark_head{epoch, active}), {});
  context_.tell_home(id_,
                     in_use   ? note::in_use
                     : marked ? active ? note::marked_active : note::marked_idle
                     : active ? note::active
                              : note::idle,
                     epoch);
}

void port::move_away() noexcept {
  auto& q = *queue_;
  const auto released = q.released_.load(std::memory_order_acquire);
  std::uint64_t lent = 0;
  for (auto& x : links_) {
    lent += x->lent;
    if (x->open)
      --q.publishers_;
    if (x->wait.waiting)
      q.remove_waiter(x->wait);
  }
  links_.clear();
  q.tokens_ -= static_cast<std::uint32_t>(expected_.size());
  expected_.clear();
  if (std::exchange(blanket_, false))
    --q.tokens_;
  // What is left are places that publishers here hold.
  q.reserved_ -= lent + moving_count_;
  q.taken_before_ += released - q.seat_base_ + moving_count_;
  q.sent_ = released;
  q.away_ = true;
  q.opening_ = true;
  q.bound_ = 0;
  opened_.clear();
  held_ = true;
  q.frozen_ = false;
}

bool port::ship_away() {
  node_id to = 0;
  {
    wake_list wakes;
    const guard lock{queue_->mutex_};
    if (!shipping_)
      return true;
    auto& q = *queue_;
    auto& x = *shipping_;
    if (answer_due_
        || !std::all_of(x.marks.begin(), x.marks.end(),
                        [&](auto who) { return marked_[who] >= x.epoch; }))
      return true;
    to = x.to;
    if (!std::exchange(x.started, true)) {
      x.head = {x.epoch, q.completed_ != 0,
                static_cast<std::uint8_t>(q.ending_)};
      q.completed_ = 0;
      if (q.ending_ != queue::ending::open)
        ended_ = true;
      if (q.ending_ == queue::ending::failed)
        shipped_error_ = std::make_unique<failure>(*q.error_);
      moving_ = std::exchange(q.listed_, chunk_list{});
      moving_count_ = std::exchange(q.listed_count_, 0);
      move_away();
      sequence_ = 0;
    }
  }
  if (!out_ || out_->peer() != to)
    out_ = context_.connect(to);
  if (!out_) {
    // The new seat is gone before it was one; so are its values.
    const guard lock{queue_->mutex_};
    queue_->stats_.lost += moving_count_;
    while (!moving_.empty())
      delete_chunk(moving_.pop_front(), queue_->ops_);
    moving_count_ = 0;
    shipping_.reset();
    return true;
  }
  while (current_ || !moving_.empty()) {
    if (out_->is_congested(shared_from_this()))
      return false;
    if (!current_)
      current_ = moving_.pop_front();
    const auto n = encode_part();
    send_batch(n, n);
  }
  encoder body;
  if (shipped_error_)
    encode(body, *shipped_error_);
  shipped_error_.reset();
  const auto head = shipping_->head;
  out_->send(link_frame::ship, id_, bytes_of(head), body.bytes());
  const guard lock{queue_->mutex_};
  recycle_spent();
  moving_count_ = 0;
  shipping_.reset();
  return true;
}

void port::on_mark(const carrier_ptr& from, bytes body) {
  const auto head = take_head<mark_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (broken_)
    return;
  const auto who = from->peer();
  marked_[who] = head.epoch;
  forget_link(from);
  opened_.erase(who);
  if (head.epoch <= resumed_) {
    // That move was called off before this mark came.
    if (head.to_open != 0 && expected_.insert(who).second)
      ++queue_->tokens_;
  } else {
    // The home's own word about the move may come later.
    epoch_ = std::max(epoch_, head.epoch);
    held_ = true;
    queue_->frozen_ = true;
    if (!std::exchange(blanket_, true))
      ++queue_->tokens_;
  }
  queue_->end_if_done(wakes);
  wakes.add(*this, wake::change);
}

void port::on_ship(const carrier_ptr& from, bytes body) {
  const auto head = take_head<ship_head>(body);
  {
    wake_list wakes;
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (broken_)
      return;
    if (!q.away_)
      throw error{"buffer '" + q.name_ + "': shipped to where it is already"};
    give_back_current();
    // Published here, but behind what the old seat had from here.
    const auto staged = std::exchange(q.listed_, moving_);
    moving_ = {};
    if (!staged.empty()) {
      if (q.listed_.empty()) {
        q.listed_ = staged;
      } else {
        q.listed_.tail->next = staged.head;
        q.listed_.tail = staged.tail;
      }
    }
    q.listed_count_ += moving_count_;
    q.stats_.accepted += moving_count_;
    become_seat();
    q.reserved_ += std::exchange(moving_count_, 0);
    if (!std::exchange(blanket_, true))
      ++q.tokens_;
    accepted_base_ = q.stats_.accepted - q.listed_count_;
    dropped_base_ = q.stats_.dropped_oldest;
    link_open_ = linked_ = must_open_ = false;
    opened_.clear();
    links_.clear();
    if (head.completed != 0)
      ++q.completed_;
    if (head.ending != 0 && q.ending_ == queue::ending::open) {
      if (head.ending == static_cast<std::uint8_t>(queue::ending::failed)) {
        q.end_with(take_failure(body), wakes);
      } else {
        q.ending_ = queue::ending::completed;
        q.wake_all_waiters(wakes);
      }
    }
    ended_ = false;
    q.wake_consumer(wakes);
    q.wake_waiters(wakes);
    wakes.add(*this, wake::change);
  }
  static_cast<void>(from);
  context_.tell_home(id_, port_context::note::seated, head.epoch);
}

} // namespace puma::internal
