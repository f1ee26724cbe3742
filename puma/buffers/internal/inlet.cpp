// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/inlet.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"

#include <exception>
#include <utility>

namespace puma::internal {

inlet::inlet(std::shared_ptr<queue> q, party* owner,
             std::shared_ptr<queue> relay)
  : source_(std::move(q)),
    queue_(relay ? std::move(relay) : source_),
    owner_(owner),
    one_by_one_(queue_->options().overflow == overflow::drop_oldest
                || queue_->options().overflow == overflow::latest) {
  subscribe(*source_);
  if (queue_ != source_)
    subscribe(*queue_);
}

void inlet::subscribe(queue& q) {
  wake_list wakes;
  const queue::guard lock{q.mutex_};
  if (q.inlet_)
    throw usage_error{"buffer '" + q.name()
                      + "': has a subscription already; a buffer has one at a "
                        "time"};
  if (q.subscribed_elsewhere_)
    throw usage_error{"buffer '" + q.name()
                      + "': has a subscription already, in another process; a "
                        "buffer has one at a time"};
  q.inlet_ = this;
  q.changed(wakes);
}

inlet::~inlet() {
  give_back();
  unsubscribe(*queue_);
  if (queue_ != source_)
    unsubscribe(*source_);
}

void inlet::unsubscribe(queue& q) noexcept {
  wake_list wakes;
  const queue::guard lock{q.mutex_};
  while (&q == queue_.get() && !spent_.empty())
    q.recycle(spent_.pop_front());
  q.inlet_ = nullptr;
  q.consumer_waits_ = false;
  q.consumer_waker_ = nullptr;
  q.consuming_.store(false, std::memory_order_relaxed);
  // What was released last may not have been offered yet.
  q.wake_waiters(wakes);
  q.changed(wakes);
}

void inlet::retire_current() noexcept {
  if (!current_)
    return;
  next = limit = nullptr;
  current_->begin = current_->end = 0;
  spent_.push_back(std::exchange(current_, nullptr));
}

bool inlet::next_private_chunk() noexcept {
  if (private_.empty())
    return false;
  current_ = private_.pop_front();
  next = current_->at(current_->begin, queue_->ops());
  limit = current_->at(current_->end, queue_->ops());
  return true;
}

receive_status inlet::refill(bool announce) {
  if (next != limit)
    return receive_status::value;
  if (!announce)
    return refill(nullptr);
  auto* waits = owner_ ? owner_ : party::current();
  return refill(waits ? static_cast<waker*>(waits) : &parker::of_this_thread());
}

receive_status inlet::refill_for(waker& who) {
  return refill(&who);
}

receive_status inlet::refill(waker* announce_to) {
  if (next != limit)
    return receive_status::value;
  retire_current();
  if (next_private_chunk())
    return receive_status::value;
  auto& q = *queue_;
  const queue::guard lock{q.mutex_};
  while (!spent_.empty())
    q.recycle(spent_.pop_front());
  idle_ = false;
  // What is there while the seat is elsewhere is on its way to the seat, and
  // comes back when the seat has come here.
  if (!q.away_ && !q.frozen_ && !q.listed_.empty()) {
    if (one_by_one_) {
      auto* first = q.listed_.head;
      auto* single = q.get_chunk(1);
      q.ops_.relocate(single->at(0, q.ops_), first->at(first->begin, q.ops_),
                      1);
      single->end = 1;
      --q.listed_count_;
      if (++first->begin == first->end)
        q.recycle(q.listed_.pop_front());
      private_.push_back(single);
    } else {
      private_ = std::exchange(q.listed_, chunk_list{});
      q.listed_count_ = 0;
    }
    next_private_chunk();
    return receive_status::value;
  }
  if (q.refusal_)
    return receive_status::failed;
  const bool at_end = !q.away_ && !q.frozen_;
  if (at_end && q.ending_ == queue::ending::completed)
    return receive_status::completed;
  if (at_end && q.ending_ == queue::ending::failed)
    return receive_status::failed;
  if (announce_to) {
    q.consumer_waker_ = announce_to;
    q.consumer_waits_ = true;
    idle_ = true;
  }
  return receive_status::empty;
}

receive_status inlet::wait(time_point deadline) {
  if (deadline == no_wait)
    return refill(false);
  const auto withdraw = [this] {
    const queue::guard lock{queue_->mutex_};
    queue_->consumer_waits_ = false;
    idle_ = false;
  };
  auto* running = party::current();
  for (;;) {
    const auto may_wait = !running || running->may_wait();
    const auto status = refill(may_wait);
    if (status != receive_status::empty)
      return status;
    if (!may_wait)
      throw usage_error{"buffer '" + queue_->name()
                        + "': empty, and a pooled runnable must not wait; add "
                          "the buffer as an input, use try_next, or start the "
                          "runnable as dedicated"};
    std::exception_ptr interrupted;
    ++waiting_;
    try {
      if (running)
        running->wait(deadline);
      else
        sleep_until_armed(deadline);
    } catch (...) {
      interrupted = std::current_exception();
    }
    --waiting_;
    // Nobody may arm this thread for a wait that is over.
    withdraw();
    if (close_wanted_ && waiting_ == 0) {
      // A call that ran meanwhile has closed this subscription.
      delete this;
      if (!interrupted)
        return receive_status::completed;
    }
    if (interrupted)
      std::rethrow_exception(interrupted);
    if (deadline != no_deadline && current_time() >= deadline)
      return refill(false);
  }
}

void inlet::close(inlet* x) noexcept {
  if (x && x->waiting_ != 0)
    x->close_wanted_ = true;
  else
    delete x;
}

void inlet::offer_room(wake_list& wakes) noexcept {
  set_consuming(false);
  // Pairs with the fence in queue::add_waiter.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!queue_->room_wanted_.load(std::memory_order_relaxed))
    return;
  const queue::guard lock{queue_->mutex_};
  queue_->wake_waiters(wakes);
}

void inlet::give_back() noexcept {
  auto& q = *queue_;
  chunk_list back;
  if (current_) {
    if (next != limit) {
      const auto used = next - current_->at(0, q.ops());
      current_->begin = static_cast<std::uint32_t>(
        static_cast<std::size_t>(used) / q.ops().size);
      back.push_back(std::exchange(current_, nullptr));
      next = limit = nullptr;
    } else {
      retire_current();
    }
  }
  while (!private_.empty())
    back.push_back(private_.pop_front());
  if (back.empty())
    return;
  const queue::guard lock{q.mutex_};
  for (auto* x = back.head; x; x = x->next)
    q.listed_count_ += x->count();
  q.listed_.prepend(back);
}

const failure& inlet::error() const noexcept {
  return queue_->refusal_ ? *queue_->refusal_ : *queue_->error_;
}

} // namespace puma::internal
