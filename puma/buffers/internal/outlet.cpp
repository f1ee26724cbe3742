// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/outlet.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace puma::internal {

namespace {

/// How fast private chunks grow to their full size under traffic.
constexpr std::uint32_t growth = 4;

constexpr std::size_t least_outbox = 16;

std::size_t outbox_limit_for(const queue& q, std::size_t wanted) {
  return wanted != 0 ? wanted
                     : std::max<std::size_t>(q.chunk_limit(), least_outbox);
}

} // namespace

outlet::policy outlet::policy_of(const queue& q,
                                 const publish_options& options) {
  if (options.when_full) {
    switch (*options.when_full) {
    case when_full::block:
      return policy::block;
    case when_full::fail:
      return policy::fail;
    case when_full::warn:
      return policy::warn;
    case when_full::drop_newest:
      return policy::drop_newest;
    }
  }
  switch (q.options().overflow) {
  case overflow::fail:
    return policy::fail;
  case overflow::drop_newest:
    return policy::drop_newest;
  case overflow::drop_oldest:
    return policy::drop_oldest;
  case overflow::latest:
    return policy::latest;
  case overflow::block:
    break;
  }
  return policy::block;
}

outlet::outlet(std::shared_ptr<queue> q, party* owner, publish_options options)
  : queue_(std::move(q)),
    owner_(owner),
    policy_(policy_of(*queue_, options)),
    chunked_(owner && !owner->may_wait() && policy_ != policy::drop_oldest
             && policy_ != policy::latest),
    external_(owner == nullptr),
    outbox_limit_(outbox_limit_for(*queue_, options.outbox)) {
  if (chunked_)
    wait_.wanted = std::min(4u, queue_->chunk_limit());
  if (owner_)
    owner_->adopt(*this);
  wake_list wakes;
  const queue::guard lock{queue_->mutex_};
  if (external_ && queue_->external_closed_)
    return;
  queue_->changed(wakes);
  ++queue_->publishers_;
  if (external_) {
    ++queue_->externals_;
    queue_->external_seen_ = true;
  }
}

outlet::~outlet() {
  if (owner_)
    owner_->forget(*this);
  wake_list wakes;
  {
    const queue::guard lock{queue_->mutex_};
    if (!ended_) {
      close_end(wakes);
      queue_->end_if_done(wakes);
    }
    if (own_)
      queue_->recycle(std::exchange(own_, nullptr));
  }
}

void outlet::check_usable() const {
  if (ended_)
    throw usage_error{"buffer '" + queue_->name()
                      + "': this publisher has completed its stream already; "
                        "open another one to publish more"};
  if (!external_ && (!in_scope_ || party::current() != owner_))
    throw usage_error{"buffer '" + queue_->name()
                      + "': this publisher belongs to a runnable and may only "
                        "be used in its hooks, while it executes"};
}

publish_result outlet::publish(void* value, time_point deadline) {
  check_usable();
  return chunked_ ? publish_chunked(value, deadline != no_deadline)
                  : publish_direct(value, deadline);
}

publish_result outlet::try_publish(void* value) {
  check_usable();
  return chunked_ ? publish_chunked(value, true)
                  : publish_direct(value, no_wait);
}

publish_result outlet::try_publish_for(void* value, waker& who) {
  check_usable();
  for (;;) {
    const bool had_turn = wait_.was_woken.load(std::memory_order_relaxed);
    const auto result = publish_direct(value, no_wait);
    if (result != publish_result::full)
      return result;
    wake_list wakes;
    const queue::guard lock{queue_->mutex_};
    wait_.who = &who;
    // It may not use the room, hence others are woken for it as well; and it is
    // slower than threads are, hence it keeps its turn.
    wait_.wanted = 0;
    wait_.was_woken.store(had_turn, std::memory_order_relaxed);
    queue_->add_waiter(wait_, wakes);
    if (queue_->room() == 0 && !queue_->unreachable(*this))
      return result;
    queue_->remove_waiter(wait_); // it came in between
  }
}

// -- direct -------------------------------------------------------------------

publish_result outlet::publish_direct(void* value, time_point deadline) {
  wake_list wakes;
  queue::guard lock{queue_->mutex_};
  auto& q = *queue_;
  // A hook that waits here may be interrupted by a call that publishes, too.
  if (wait_.waiting)
    q.remove_waiter(wait_);
  // That was for an earlier value: this one queues up anew.
  wait_.was_woken.store(false, std::memory_order_relaxed);
  for (bool first_try = true;; first_try = false) {
    if (q.unreachable(*this)) {
      ++q.stats_.after_end;
      return publish_result::closed;
    }
    const bool replaces = policy_ == policy::drop_oldest
                          || policy_ == policy::latest;
    if (replaces || q.room() != 0) {
      q.ops_.construct(q.append_place(wakes), value);
      ++q.reserved_;
      if (replaces) {
        const auto before = q.stats_.dropped_oldest;
        q.drop_oldest_beyond(policy_ == policy::latest ? 1 : q.bound_);
        const auto dropped = q.stats_.dropped_oldest - before;
        // A publisher that blocks by its own options may get in now.
        if (q.first_waiter_)
          q.wake_waiters(wakes);
        if (dropped != 0)
          q.report_drops(queue::event::dropped_oldest, dropped, lock);
      } else if (q.first_waiter_) {
        q.wake_waiters(wakes);
      }
      return publish_result::accepted;
    }
    // Until the seat has lent its first places, it is too early to refuse.
    if (policy_ != policy::block && deadline == no_deadline && !q.opening_)
      return refuse(lock);
    if (!first_try || deadline == no_wait) {
      if (deadline == no_wait || current_time() >= deadline)
        return publish_result::full;
    }
    if (auto* running = party::current(); running && !running->may_wait())
      throw usage_error{"buffer '" + q.name()
                        + "': full, and a pooled runnable must not wait for a "
                          "publisher that is not its own; open it with "
                          "publish_to, or start the runnable as dedicated"};
    // A dedicated runnable may use a plain thread's publisher, and must wake
    // up when it is told to stop.
    auto* waits = owner_ ? owner_ : party::current();
    wait_.who = waits ? static_cast<waker*>(waits) : &parker::of_this_thread();
    q.add_waiter(wait_, wakes);
    if (q.room() != 0) {
      q.remove_waiter(wait_);
      continue;
    }
    lock.unlock();
    wakes.fire(urgency::at_once);
    std::exception_ptr interrupted;
    ++waiting_;
    try {
      if (waits)
        waits->wait(deadline);
      else
        sleep_until_armed(deadline);
    } catch (...) {
      interrupted = std::current_exception();
    }
    --waiting_;
    lock.lock();
    if (wait_.waiting)
      q.remove_waiter(wait_);
    else if (interrupted || ended_ || close_wanted_)
      q.wake_waiters(wakes); // the wake was meant for somebody: pass it on
    if (close_wanted_ && waiting_ == 0) {
      // A call that ran meanwhile has closed this publisher.
      const auto keep = queue_;
      lock.unlock();
      delete this;
      if (!interrupted)
        return publish_result::closed;
    }
    if (interrupted)
      std::rethrow_exception(interrupted);
    if (ended_)
      return publish_result::closed;
  }
}

void outlet::close(outlet* x) noexcept {
  if (x && x->waiting_ != 0)
    x->close_wanted_ = true;
  else
    delete x;
}

void outlet::fail_as_full(std::uint64_t refused) {
  queue_->stats_.refused += refused;
  throw buffer_full{"buffer '" + queue_->name() + "': full at "
                    + std::to_string(queue_->capacity())
                    + " values and its policy is to fail"};
}

publish_result outlet::refuse(queue::guard& lock) {
  auto& q = *queue_;
  if (policy_ == policy::fail)
    fail_as_full(1);
  ++q.stats_.dropped_newest;
  q.report_drops(queue::event::dropped_newest, 1, lock);
  return publish_result::full;
}

// -- chunked ------------------------------------------------------------------

void outlet::place(void* value) noexcept {
  queue_->ops().construct(next, value);
  next += queue_->ops().size;
}

void outlet::sync_own() noexcept {
  if (own_ && next) {
    const auto used = next - own_->at(0, queue_->ops_);
    own_->end = static_cast<std::uint32_t>(static_cast<std::size_t>(used)
                                           / queue_->ops_.size);
  }
}

void outlet::discard(chunk* x, bool behind_error) noexcept {
  auto& q = *queue_;
  const auto n = x->count();
  (behind_error ? q.stats_.left_over : q.stats_.after_end) += n;
  if (behind_error)
    q.stats_.accepted += n;
  if (n != 0)
    q.ops_.destroy(x->at(x->begin, q.ops_), n);
  x->begin = x->end = 0;
}

void outlet::hand_over_own(wake_list& wakes) noexcept {
  sync_own();
  next = limit = nullptr;
  if (!own_ || own_->count() == 0)
    return;
  const auto n = own_->count();
  if (queue_->ending_ != queue::ending::open) {
    // Accepted before the stream ended, or failed, by another's hand.
    discard(own_, true);
    credit_ -= n;
    queue_->reserved_ -= n;
    return;
  }
  credit_ -= n;
  own_ = queue_->append(own_, wakes);
}

void outlet::return_credit(wake_list& wakes) noexcept {
  const auto unused = std::exchange(credit_, 0);
  queue_->reserved_ -= unused;
  if (unused != 0 && queue_->recalled_)
    wakes.add(*queue_->port_, wake::room);
}

void outlet::got_room() noexcept {
  // Had its turn: a wake that it no longer needs would be lost to others.
  wait_.was_woken.store(false, std::memory_order_relaxed);
  if (wait_.waiting)
    queue_->remove_waiter(wait_);
}

bool outlet::reserve(wake_list& wakes) {
  auto& q = *queue_;
  sync_own();
  if (own_ && next && own_->space() != 0) {
    // The credit ran out before the chunk did.
    const auto more = std::min<std::size_t>(q.room(), own_->space());
    if (more == 0) {
      hand_over_own(wakes);
      return false;
    }
    q.reserved_ += more;
    credit_ += more;
    limit += more * q.ops_.size;
    got_room();
    return true;
  }
  if (own_ && next) {
    hand_over_own(wakes);
    wait_.wanted = std::min(wait_.wanted * growth, q.chunk_limit_);
  }
  const auto granted = std::min<std::size_t>(q.room(), wait_.wanted);
  if (granted == 0)
    return false;
  if (own_ && own_->capacity < wait_.wanted)
    q.recycle(std::exchange(own_, nullptr));
  if (!own_)
    own_ = q.get_chunk(wait_.wanted);
  const auto usable = std::min<std::size_t>(granted, own_->capacity);
  q.reserved_ += usable;
  credit_ += usable;
  next = own_->at(0, q.ops_);
  limit = next + usable * q.ops_.size;
  got_room();
  return true;
}

bool outlet::reserve_or_wait(wake_list& wakes) {
  for (;;) {
    if (reserve(wakes))
      return true;
    if (wait_.waiting)
      return false;
    wait_.who = owner_;
    queue_->add_waiter(wait_, wakes);
    if (queue_->room() == 0)
      return false;
    queue_->remove_waiter(wait_);
  }
}

publish_result outlet::publish_chunked(void* value, bool only_try) {
  if (outbox_count_ != 0)
    return only_try ? publish_result::full : to_outbox(value);
  if (next != limit) {
    place(value);
    return publish_result::accepted;
  }
  auto& q = *queue_;
  auto& wakes = owner_->pending_wakes();
  queue::guard lock{q.mutex_};
  if (q.unreachable(*this)) {
    hand_over_own(wakes);
    return_credit(wakes);
    ++q.stats_.after_end;
    return publish_result::closed;
  }
  if (reserve(wakes)) {
    lock.unlock();
    place(value);
    return publish_result::accepted;
  }
  if (only_try)
    return publish_result::full;
  if (policy_ != policy::block && !q.opening_)
    return refuse(lock);
  lock.unlock();
  return to_outbox(value);
}

publish_result outlet::to_outbox(void* value) {
  auto& q = *queue_;
  const queue::guard lock{q.mutex_};
  if (q.unreachable(*this)) {
    ++q.stats_.after_end;
    return publish_result::closed;
  }
  if (outbox_count_ >= outbox_limit_) {
    ++q.stats_.refused;
    throw buffer_full{
      "buffer '" + q.name() + "': full at " + std::to_string(q.capacity())
      + " values, and one hook published " + std::to_string(outbox_count_)
      + " more; give the publisher a larger outbox, or publish less per hook"};
  }
  auto* last = outbox_.tail;
  if (!last || last->space() == 0) {
    last = q.get_chunk(q.chunk_limit_);
    outbox_.push_back(last);
  }
  q.ops_.construct(last->at(last->end, q.ops_), value);
  ++last->end;
  if (outbox_count_++ == 0)
    owner_->output_blocked();
  return publish_result::accepted;
}

void outlet::flush(wake_list& wakes) noexcept {
  // A wake whose room could not be used, for want of room elsewhere, is passed
  // on, too.
  if (!chunked_
      || (!next && credit_ == 0
          && !wait_.was_woken.load(std::memory_order_relaxed)))
    return;
  const queue::guard lock{queue_->mutex_};
  hand_over_own(wakes);
  return_credit(wakes);
  wait_.was_woken.store(false, std::memory_order_relaxed);
  if (queue_->first_waiter_)
    queue_->wake_waiters(wakes);
}

bool outlet::ensure_room() {
  if (next != limit)
    return true;
  if (outbox_count_ != 0)
    return false;
  if (!chunked_ || policy_ != policy::block || ended_)
    return true;
  auto& wakes = owner_->pending_wakes();
  queue::guard lock{queue_->mutex_};
  if (queue_->unreachable(*this))
    return true;
  if (!reserve_or_wait(wakes))
    return false;
  return true;
}

bool outlet::await_room() {
  if (next != limit)
    return true;
  if (outbox_count_ != 0)
    return false;
  wake_list wakes;
  const queue::guard lock{queue_->mutex_};
  for (;;) {
    if (ended_ || queue_->unreachable(*this) || queue_->room() != 0)
      return true;
    if (wait_.waiting)
      return false;
    wait_.who = owner_;
    // It may not use the room. Then `flush` passes the wake on, or, where there
    // is nothing to flush, others are woken as well.
    if (!chunked_)
      wait_.wanted = 0;
    queue_->add_waiter(wait_, wakes);
    if (queue_->room() == 0)
      return false;
    queue_->remove_waiter(wait_); // it came in between
  }
}

std::uint64_t outlet::empty_outbox() noexcept {
  auto& q = *queue_;
  while (!outbox_.empty()) {
    auto* x = outbox_.pop_front();
    if (const auto n = x->count(); n != 0)
      q.ops_.destroy(x->at(x->begin, q.ops_), n);
    x->begin = x->end = 0;
    q.recycle(x);
  }
  return std::exchange(outbox_count_, 0);
}

bool outlet::drain_outbox(wake_list& wakes) {
  if (outbox_count_ == 0)
    return true;
  auto& q = *queue_;
  queue::guard lock{q.mutex_};
  if (q.unreachable(*this)) {
    while (!outbox_.empty()) {
      auto* x = outbox_.pop_front();
      discard(x, true);
      q.recycle(x);
    }
    outbox_count_ = 0;
    return true;
  }
  for (;;) {
    while (outbox_count_ != 0) {
      auto granted = std::min<std::size_t>(q.room(), outbox_count_);
      if (granted == 0)
        break;
      auto* x = outbox_.head;
      if (x->count() <= granted) {
        granted = x->count();
        outbox_.pop_front();
      } else {
        auto* part = q.get_chunk(static_cast<std::uint32_t>(granted));
        q.ops_.relocate(part->at(0, q.ops_), x->at(x->begin, q.ops_), granted);
        part->end = static_cast<std::uint32_t>(granted);
        x->begin += part->end;
        x = part;
      }
      q.reserved_ += granted;
      outbox_count_ -= granted;
      got_room();
      if (auto* left = q.append(x, wakes))
        q.recycle(left);
    }
    // What waited for the first places only: it would have been refused.
    const auto refused = policy_ != policy::block && !q.opening_
                           ? empty_outbox()
                           : 0;
    if (outbox_count_ == 0) {
      q.wake_waiters(wakes);
      if (refused == 0)
        return true;
      if (policy_ == policy::fail)
        fail_as_full(refused);
      q.stats_.dropped_newest += refused;
      q.report_drops(queue::event::dropped_newest, refused, lock);
      return true;
    }
    if (wait_.waiting)
      return false;
    wait_.who = owner_;
    q.add_waiter(wait_, wakes);
    if (q.room() == 0)
      return false;
    q.remove_waiter(wait_);
  }
}

// -- the end ------------------------------------------------------------------

void outlet::hand_over_everything(wake_list& wakes) noexcept {
  auto& q = *queue_;
  hand_over_own(wakes);
  return_credit(wakes);
  while (!outbox_.empty()) {
    auto* x = outbox_.pop_front();
    if (q.ending_ != queue::ending::open) {
      discard(x, true);
      q.recycle(x);
      continue;
    }
    q.reserved_ += x->count(); // beyond the capacity: this is the end
    if (auto* left = q.append(x, wakes))
      q.recycle(left);
  }
  outbox_count_ = 0;
}

void outlet::close_end(wake_list& wakes) noexcept {
  auto& q = *queue_;
  if (wait_.waiting)
    q.remove_waiter(wait_);
  hand_over_everything(wakes);
  ended_ = true;
  if (!external_ || !q.external_closed_) {
    --q.publishers_;
    if (external_)
      --q.externals_;
  }
  q.wake_waiters(wakes);
  q.changed(wakes);
}

void outlet::complete(wake_list& wakes) {
  check_usable();
  const queue::guard lock{queue_->mutex_};
  close_end(wakes);
  ++queue_->completed_;
  queue_->end_if_done(wakes);
}

void outlet::fail(const failure& error, wake_list& wakes) {
  check_usable();
  const queue::guard lock{queue_->mutex_};
  close_end(wakes);
  ++queue_->completed_;
  if (queue_->ending_ == queue::ending::open)
    queue_->end_with(error, wakes);
}

std::size_t outlet::backlog() const {
  const auto own = static_cast<std::size_t>(limit - next) / queue_->ops().size;
  const queue::guard lock{queue_->mutex_};
  if (queue_->unreachable(*this))
    return 0;
  const auto free = queue_->room() + own;
  const auto capacity = queue_->capacity();
  return (free < capacity ? capacity - free : 0) + outbox_count_;
}

bool outlet::live() const {
  if (ended_)
    return false;
  const queue::guard lock{queue_->mutex_};
  return !queue_->unreachable(*this);
}

} // namespace puma::internal
