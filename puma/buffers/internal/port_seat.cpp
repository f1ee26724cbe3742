// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/port_parts.hpp"

#include <algorithm>
#include <utility>

// A port of a process with the seat, as publishers elsewhere see it.
namespace puma::internal {

namespace {

/// Places for the first values of unknown size.
constexpr std::uint64_t first_places = 16;

/// A message about fewer bytes costs more than what it is about.
constexpr std::uint64_t worthwhile_bytes = 16 * 1024;

} // namespace

std::uint32_t port::open_links() const noexcept {
  return static_cast<std::uint32_t>(std::count_if(
    links_.begin(), links_.end(), [](const auto& x) { return x->open; }));
}

void port::end_link(link_end& x) noexcept {
  auto& q = *queue_;
  if (x.wait.waiting)
    q.remove_waiter(x.wait);
  q.reserved_ -= std::exchange(x.lent, 0);
  if (std::exchange(x.open, false))
    --q.publishers_;
  x.recall_sent = false;
}

void port::forget_link(const carrier_ptr& from) noexcept {
  for (auto i = links_.begin(); i != links_.end(); ++i)
    if ((*i)->from == from) {
      end_link(**i);
      links_.erase(i);
      return;
    }
}

void port::drop_expected(node_id who) noexcept {
  if (expected_.erase(who) != 0)
    --queue_->tokens_;
}

port::link_end& port::link_of(const carrier_ptr& from) {
  for (auto& x : links_)
    if (x->from == from)
      return *x;
  links_.push_back(std::make_unique<link_end>());
  links_.back()->from = from;
  links_.back()->wait.who = this;
  return *links_.back();
}

port::link_end* port::open_link_of(const carrier_ptr& from) noexcept {
  for (auto& x : links_)
    if (x->from == from && x->open)
      return x.get();
  return nullptr;
}

std::uint64_t port::consumed() const noexcept {
  auto& q = *queue_;
  return q.released_.load(std::memory_order_acquire) - q.seat_base_
         + q.stats_.dropped_oldest - dropped_base_;
}

void port::wait_for_room(link_end& x, std::uint64_t places, wake_list& wakes) {
  if (x.wait.waiting)
    return;
  x.wait.wanted = static_cast<std::uint32_t>(
    std::clamp<std::uint64_t>(places, 1, 0xffff'ffffu));
  queue_->add_waiter(x.wait, wakes);
}

std::uint64_t port::lend(link_end& x, std::uint64_t share, wake_list& wakes) {
  auto& q = *queue_;
  if (x.lent >= share)
    return 0;
  const auto lack = share - x.lent;
  for (int tries = 0; tries != 2; ++tries) {
    const auto least = least_grant(x, share);
    if (lack < least)
      return 0;
    const bool others_first = q.first_waiter_ && q.first_waiter_ != &x.wait
                              && !x.wait.was_woken.load(
                                std::memory_order_relaxed);
    const auto places = others_first ? 0
                                     : std::min<std::uint64_t>(q.room(), lack);
    if (places >= least) {
      q.reserved_ += places;
      x.lent += places;
      x.recall_sent = false; // a grant is the end of a recall, there as well
      x.wait.was_woken.store(false, std::memory_order_relaxed);
      if (x.wait.waiting)
        q.remove_waiter(x.wait);
      return places;
    }
    wait_for_room(x, lack, wakes);
  }
  return 0;
}

std::uint64_t port::least_grant(const link_end& x,
                                std::uint64_t share) const noexcept {
  const bool small = x.value_bytes * share < 4 * worthwhile_bytes;
  const bool more_to_come = x.lent != 0
                            || (small && x.wait.waiting
                                && queue_->consuming_.load(
                                  std::memory_order_relaxed));
  if (!more_to_come)
    return 1;
  return std::max<std::uint64_t>(small ? share / 4 * 3 : share / 4, 1);
}

std::uint64_t port::share_of(const link_end& x,
                             std::uint64_t most) const noexcept {
  if (x.value_bytes != 0)
    return std::min(most,
                    std::max<std::uint64_t>(bytes_window / x.value_bytes, 2));
  return queue_->ops_.trivial ? most : std::min(most, first_places);
}

void port::grant(link_end& x, std::uint64_t share,
                 std::vector<small_frame>& out, wake_list& wakes) {
  const auto places = lend(x, share, wakes);
  // Whoever drops what has no room waits to hear that there is none, unless
  // places that others have may come back.
  const bool refuses = !x.answered && queue_->room() == 0
                       && std::none_of(
                         links_.begin(), links_.end(),
                         [](const auto& y) { return y->lent != 0; });
  bool tell = places != 0 || refuses;
  // Look again after it has been made sure that consuming more is told.
  for (int tries = 0; tries != 2; ++tries) {
    const auto done = consumed();
    while (!x.batches.empty() && x.batches.front().end <= done) {
      x.bytes_waiting -= x.batches.front().bytes;
      x.bytes_consumed += x.batches.front().bytes;
      x.batches.pop_front();
    }
    tell = tell || x.bytes_consumed - x.bytes_told >= bytes_window / 4;
    if (tell || x.bytes_waiting < bytes_window / 4 || x.wait.waiting)
      break;
    wait_for_room(x, 1, wakes);
  }
  if (!tell)
    return;
  x.answered = true;
  x.bytes_told = x.bytes_consumed;
  out.emplace_back(x.from, link_frame::grant,
                   grant_head{x.opening, places, x.bytes_consumed});
  if (x.bytes_waiting >= bytes_window / 4)
    wait_for_room(x, 1, wakes);
}

void port::serve_links() {
  std::vector<small_frame> out;
  {
    wake_list wakes;
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (links_.empty())
      return;
    if (q.ending_ != queue::ending::open) {
      const auto* error = q.ending_ == queue::ending::failed ? q.error_.get()
                                                             : nullptr;
      for (auto& x : links_)
        if (x->open) {
          end_link(*x);
          out.emplace_back(x->from, link_frame::ended, error);
        }
    } else if (!held_) {
      const auto linked = open_links();
      const bool own = q.publishers_ > linked;
      const auto share = q.options_.overflow == overflow::latest
                           ? 1
                           : std::max<std::uint64_t>(
                             q.capacity_ / std::max(linked + own, 1u), 1);
      next_link_ = next_link_ + 1 < links_.size() ? next_link_ + 1 : 0;
      for (std::size_t i = 0; i != links_.size(); ++i) {
        auto& x = *links_[(next_link_ + i) % links_.size()];
        if (x.open)
          grant(x, share_of(x, share), out, wakes);
      }
      // Somebody starves: places that others do not use have to come back.
      const auto starves = [&](const room_waiter* w) {
        return w->who != this
               || std::any_of(links_.begin(), links_.end(), [&](auto& x) {
                    return &x->wait == w && x->lent == 0;
                  });
      };
      bool starving = false;
      for (auto* w = q.first_waiter_; w && !starving && linked != 0;
           w = w->next)
        starving = starves(w);
      if (starving && q.room() == 0)
        for (auto& x : links_)
          if (x->open && x->lent != 0 && !x->recall_sent) {
            x->recall_sent = true;
            out.emplace_back(x->from, link_frame::recall,
                             open_head{x->opening});
          }
    }
  }
  for (auto& x : out)
    x.to->send(x.what, id_, x.body, {});
}

std::shared_ptr<encoder> port::pieces_of(const carrier_ptr& from) {
  const guard lock{queue_->mutex_};
  auto& link = link_of(from);
  if (!link.pieces)
    link.pieces = link.spare_pieces ? std::move(link.spare_pieces)
                                    : std::make_shared<encoder>();
  return link.pieces;
}

void port::on_open(const carrier_ptr& from, bytes body) {
  const auto head = take_head<open_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  if (broken_)
    return;
  if (q.away_)
    throw error{"buffer '" + q.name_ + "': opened where its queue is not"};
  auto& x = link_of(from);
  if (x.open)
    throw error{"buffer '" + q.name_ + "': opened twice"};
  x.open = true;
  x.answered = false;
  x.opening = head.opening;
  x.sequence = 0;
  x.batches.clear();
  x.value_bytes = 0;
  x.bytes_waiting = x.bytes_consumed = x.bytes_told = 0;
  ++q.publishers_;
  opened_.insert(from->peer());
  drop_expected(from->peer());
  wakes.add(*this, wake::change);
}

void port::on_values(const carrier_ptr& from, bytes body) {
  const auto head = take_head<values_head>(body);
  auto& q = *queue_;
  chunk_list chunks;
  link_end* link = nullptr;
  std::shared_ptr<encoder> whole;
  {
    const guard lock{q.mutex_};
    if (broken_)
      return;
    link = &link_of(from);
    if (head.sequence != link->sequence)
      throw error{"buffer '" + q.name_ + "': batch "
                  + std::to_string(head.sequence) + " came in place of "
                  + std::to_string(link->sequence)};
    ++link->sequence;
    whole = std::move(link->pieces);
    if (whole) {
      whole->block(body.data(), body.size());
      body = whole->bytes();
    }
    if (wire_.least_bytes * head.count > body.size())
      throw error{"buffer '" + q.name_ + "': " + std::to_string(head.count)
                  + " values do not fit into " + std::to_string(body.size())
                  + " bytes"};
    for (auto left = head.count; left != 0;) {
      const auto n = std::min(left, q.chunk_limit_);
      chunks.push_back(q.get_chunk(n));
      left -= n;
    }
  }
  const auto body_bytes = body.size();
  decoder in{body, static_cast<void*>(&context_)};
  auto left = head.count;
  for (auto* x = chunks.head; x && in.ok(); x = x->next) {
    const auto n = std::min(left, x->capacity);
    x->end = static_cast<std::uint32_t>(wire_.decode(in, x->at(0, q.ops_), n));
    left -= x->end;
  }
  if (!in.ok() || in.remaining() != 0) {
    while (!chunks.empty())
      delete_chunk(chunks.pop_front(), q.ops_);
    throw error{"buffer '" + q.name_ + "': values that cannot be read: "
                + (in.ok() ? "some bytes are left over" : in.error())};
  }
  wake_list wakes;
  const guard lock{q.mutex_};
  if (q.away_) {
    // The old seat ships what it has.
    while (!chunks.empty())
      moving_.push_back(chunks.pop_front());
    moving_count_ += head.count;
    return;
  }
  link = open_link_of(from);
  if (!link || q.ending_ != queue::ending::open) {
    while (!chunks.empty())
      delete_chunk(chunks.pop_front(), q.ops_);
    q.stats_.after_end += head.count;
    return;
  }
  link->lent += head.beyond;
  q.reserved_ += head.beyond;
  if (head.count > link->lent) {
    while (!chunks.empty())
      delete_chunk(chunks.pop_front(), q.ops_);
    throw error{"buffer '" + q.name_
                + "': got more values than places were lent"};
  }
  link->lent -= head.count;
  if (whole && whole->size() <= most_kept_bytes && !link->pieces) {
    whole->clear();
    link->spare_pieces = std::move(whole);
  }
  while (!chunks.empty())
    if (auto* spare = q.append(chunks.pop_front(), wakes))
      q.recycle(spare);
  link->batches.push_back(
    {q.stats_.accepted - accepted_base_, std::uint64_t{body_bytes}});
  link->bytes_waiting += body_bytes;
  if (head.count != 0)
    link->value_bytes = std::max<std::uint64_t>(body_bytes / head.count, 1);
  if (link->bytes_waiting >= bytes_window / 4 || link->lent == 0)
    wakes.add(*this, wake::room);
}

void port::on_close(const carrier_ptr& from, bytes body) {
  const auto head = take_head<close_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  auto* x = open_link_of(from);
  if (!x)
    return; // the stream has ended meanwhile
  forget_link(from);
  if (head.completed != 0)
    ++q.completed_;
  if (q.ending_ == queue::ending::open) {
    if (head.failed != 0) {
      q.end_with(take_failure(body), wakes);
    } else {
      if (head.withdrew != 0 && !q.token_error_)
        q.token_error_ = std::make_unique<failure>(take_failure(body));
      q.end_if_done(wakes);
    }
  }
  q.wake_waiters(wakes);
  wakes.add(*this, wake::change);
}

void port::on_returned(const carrier_ptr& from, bytes body) {
  const auto head = take_head<returned_head>(body);
  wake_list wakes;
  const guard lock{queue_->mutex_};
  auto* x = open_link_of(from);
  if (!x)
    return;
  if (head.places > x->lent)
    throw error{"buffer '" + queue_->name_
                + "': more places came back than were lent"};
  x->lent -= head.places;
  x->recall_sent = false;
  queue_->reserved_ -= head.places;
  queue_->wake_waiters(wakes);
  wakes.add(*this, wake::room);
}

} // namespace puma::internal
