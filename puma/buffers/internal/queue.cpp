// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/queue.hpp"

#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/internal/outlet.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace puma::internal {

namespace {

/// Chunks of about this size keep a hand-over cheap per value and still fit
/// into the caches of the two cores that they pass between.
constexpr std::size_t chunk_bytes = 2048;

/// Recycled storage that an idle queue may keep.
constexpr std::uint32_t most_spares = 6;
constexpr std::size_t most_spare_bytes = 64 * 1024;

/// Values are moved into the last chunk of the queue rather than linked with
/// their own if that costs at most this many bytes: otherwise many small
/// hand-overs to a slow subscription would each hold a whole chunk.
constexpr std::size_t merge_bytes = 256;

/// Drops may be as frequent as values: their log lines must not be.
constexpr std::chrono::seconds between_reports{1};

std::uint32_t limit_for(std::size_t capacity, std::size_t value_size) {
  const auto fit = std::max<std::size_t>(chunk_bytes / value_size, 1);
  return static_cast<std::uint32_t>(std::min(fit, capacity));
}

} // namespace

queue::queue(std::string name, std::size_t capacity,
             const detail::value_ops& ops, buffer_options options,
             listener notify)
  : name_(std::move(name)),
    ops_(ops),
    capacity_(capacity),
    options_(options),
    chunk_limit_(limit_for(capacity, ops.size)),
    notify_(notify),
    bound_(capacity) {}

queue::~queue() {
  const auto left = listed_count_;
  while (!listed_.empty())
    delete_chunk(listed_.pop_front(), ops_);
  while (spare_) {
    auto* next = spare_->next;
    delete_chunk(spare_, ops_);
    spare_ = next;
  }
  if (newest_report_.pending != 0)
    notify_(*this, event::dropped_newest, newest_report_.pending);
  if (oldest_report_.pending != 0)
    notify_(*this, event::dropped_oldest, oldest_report_.pending);
  if (left + stats_.left_over != 0 && options_.warn_about_leftovers)
    notify_(*this, event::left_over, left + stats_.left_over);
  if (stats_.after_end != 0 && options_.warn_about_leftovers)
    notify_(*this, event::after_end, stats_.after_end);
}

bool queue::is_subscribed() const {
  const guard lock{mutex_};
  return inlet_ != nullptr || subscribed_elsewhere_;
}

buffer_stats queue::stats() const {
  const guard lock{mutex_};
  auto result = stats_;
  const auto released = released_.load(std::memory_order_acquire);
  result.taken = taken_before_ + (away_ ? 0 : released - seat_base_);
  if (port_) {
    // Places that are lent to other processes are reserved, and empty.
    const auto gone = result.taken + result.dropped_oldest + result.left_over;
    const auto came = result.accepted + result.redelivered;
    result.waiting = came - std::min(came, gone);
  } else {
    result.waiting = reserved_ - std::min(reserved_, released);
  }
  return result;
}

void queue::add_token() {
  wake_list wakes;
  const guard lock{mutex_};
  ++tokens_;
  changed(wakes);
}

void queue::drop_token(const failure* error) {
  wake_list wakes;
  const guard lock{mutex_};
  --tokens_;
  // Others that seem to hold the stream open may only stand for what is not
  // known here yet.
  if (error && port_ && !token_error_)
    token_error_ = std::make_unique<failure>(*error);
  if (error && !away_ && ending_ == ending::open && publishers_ == 0
      && tokens_ == 0)
    end_with(*error, wakes);
  else
    end_if_done(wakes);
  changed(wakes);
}

void queue::complete_token() {
  wake_list wakes;
  const guard lock{mutex_};
  --tokens_;
  ++completed_;
  end_if_done(wakes);
  changed(wakes);
}

bool queue::fail_token(const failure& error) {
  wake_list wakes;
  const guard lock{mutex_};
  --tokens_;
  ++completed_;
  const bool open = ending_ == ending::open;
  if (open)
    end_with(error, wakes);
  changed(wakes);
  return open;
}

void queue::abort(const failure& error) {
  wake_list wakes;
  const guard lock{mutex_};
  if (!away_ && ending_ == ending::open)
    end_with(error, wakes);
}

bool queue::is_shared() const {
  const guard lock{mutex_};
  return port_ != nullptr;
}

queue::take_result queue::take_first(void* to) {
  wake_list wakes;
  const guard lock{mutex_};
  if (away_ || frozen_)
    return take_result::later; // it is on its way back
  if (inlet_ || listed_.empty())
    return take_result::none;
  auto* first = listed_.head;
  ops_.relocate(to, first->at(first->begin, ops_), 1);
  if (++first->begin == first->end)
    recycle(listed_.pop_front());
  --listed_count_;
  released_.fetch_add(1, std::memory_order_release);
  wake_waiters(wakes);
  return take_result::taken;
}

publish_result queue::try_append(void* value) {
  wake_list wakes;
  const guard lock{mutex_};
  if (ending_ != ending::open) {
    ++stats_.after_end;
    return publish_result::closed;
  }
  if (room() == 0)
    return publish_result::full;
  ops_.construct(append_place(wakes), value);
  ++reserved_;
  return publish_result::accepted;
}

void queue::count_skipped() {
  const guard lock{mutex_};
  ++stats_.skipped;
}

void queue::count_dead_letter() {
  const guard lock{mutex_};
  ++stats_.dead_lettered;
}

void queue::count_failed() {
  const guard lock{mutex_};
  ++stats_.failed;
}

void queue::put_first(void* value) {
  const guard lock{mutex_};
  auto* x = get_chunk(1);
  ops_.relocate(x->at(0, ops_), value, 1);
  x->end = 1;
  listed_.push_front(x);
  ++listed_count_;
  released_.fetch_sub(1, std::memory_order_release);
}

void queue::close_external() {
  wake_list wakes;
  const guard lock{mutex_};
  if (std::exchange(external_closed_, true))
    return;
  publishers_ -= externals_;
  // One that went without completing will not come back, either.
  completed_ += externals_ != 0 ? externals_ : external_seen_ ? 1 : 0;
  wake_all_waiters(wakes);
  end_if_done(wakes);
  changed(wakes);
}

void queue::add_handle() noexcept {
  const guard lock{mutex_};
  ++handles_;
}

void queue::drop_handle() noexcept {
  std::uint64_t ends = 0;
  {
    const guard lock{mutex_};
    if (--handles_ == 0 && ending_ == ending::open)
      ends = publishers_ + (inlet_ ? 1u : 0u);
  }
  if (ends != 0)
    notify_(*this, event::gone_in_use, ends);
}

std::size_t queue::room() const noexcept {
  const auto limit = bound_ + released_.load(std::memory_order_acquire);
  return reserved_ < limit ? limit - reserved_ : 0;
}

bool queue::unreachable(const outlet& from) const noexcept {
  return ending_ != ending::open || (from.external_ && external_closed_);
}

chunk* queue::get_chunk(std::uint32_t wanted) {
  if (spare_) {
    auto* x = spare_;
    if (x->capacity >= wanted) {
      spare_ = x->next;
      --spare_count_;
      return x;
    }
  }
  auto* x = new_chunk(wanted, ops_);
  // Traffic has outgrown the chunk on top: make place for larger ones.
  if (auto* small = spare_) {
    spare_ = small->next;
    --spare_count_;
    delete_chunk(small, ops_);
  }
  return x;
}

void queue::recycle(chunk* x) noexcept {
  const auto bytes = std::size_t{x->capacity} * ops_.size;
  if (spare_count_ >= most_spares
      || (spare_count_ != 0 && bytes > most_spare_bytes)) {
    delete_chunk(x, ops_);
    return;
  }
  x->begin = x->end = 0;
  x->next = spare_;
  spare_ = x;
  ++spare_count_;
}

chunk* queue::append(chunk* x, wake_list& wakes) noexcept {
  const auto n = x->count();
  stats_.accepted += n;
  listed_count_ += n;
  if (auto* last = listed_.tail;
      last && last->space() >= n && std::size_t{n} * ops_.size <= merge_bytes) {
    ops_.relocate(last->at(last->end, ops_), x->at(x->begin, ops_), n);
    last->end += n;
    x->begin = x->end = 0;
  } else {
    listed_.push_back(x);
    x = nullptr;
  }
  wake_consumer(wakes);
  return x;
}

std::byte* queue::append_place(wake_list& wakes) {
  auto* last = listed_.tail;
  if (!last || last->space() == 0) {
    // Chunks grow with the backlog: a lone value gets a small one.
    const auto wanted = std::clamp<std::uint64_t>(listed_count_, 4, 1u << 20);
    last = get_chunk(
      std::min(static_cast<std::uint32_t>(wanted), chunk_limit_));
    listed_.push_back(last);
  }
  ++stats_.accepted;
  ++listed_count_;
  wake_consumer(wakes);
  return last->at(last->end++, ops_);
}

void queue::drop_oldest_beyond(std::uint64_t allowed) noexcept {
  std::uint64_t dropped = 0;
  // Away, it is the unsent ones that can be dropped.
  const bool all_unsent = away_ && allowed != 0;
  // At least the newest one stays, also when others are in hand.
  while (
    listed_count_ > 1
    && (all_unsent
        || reserved_ > allowed + released_.load(std::memory_order_acquire))) {
    auto* first = listed_.head;
    ops_.destroy(first->at(first->begin, ops_), 1);
    ++first->begin;
    if (first->count() == 0)
      recycle(listed_.pop_front());
    --listed_count_;
    --reserved_;
    ++dropped;
  }
  stats_.dropped_oldest += dropped;
}

void queue::changed(wake_list& wakes) noexcept {
  if (port_)
    wakes.add(*port_, wake::change);
}

void queue::wake_consumer(wake_list& wakes) noexcept {
  if (away_) {
    if (std::exchange(port_waits_, false))
      wakes.add(*port_, wake::data);
  } else if (consumer_waits_) {
    consumer_waits_ = false;
    wakes.add(*consumer_waker_, wake::data);
  }
}

void queue::wake_waiters(wake_list& wakes) noexcept {
  auto left = room();
  while (left != 0 && first_waiter_) {
    auto& x = *first_waiter_;
    remove_waiter(x);
    x.was_woken.store(true, std::memory_order_relaxed);
    left -= std::min<std::size_t>(left, x.wanted);
    wakes.add(*x.who, wake::room);
  }
}

void queue::wake_all_waiters(wake_list& wakes) noexcept {
  while (first_waiter_) {
    auto& x = *first_waiter_;
    remove_waiter(x);
    wakes.add(*x.who, wake::room);
  }
}

void queue::add_waiter(room_waiter& x, wake_list& wakes) noexcept {
  x.waiting = true;
  // One that was woken for room which somebody else took keeps its turn.
  if (x.was_woken.exchange(false, std::memory_order_relaxed)) {
    x.previous = nullptr;
    x.next = first_waiter_;
    (first_waiter_ ? first_waiter_->previous : last_waiter_) = &x;
    first_waiter_ = &x;
  } else {
    x.next = nullptr;
    x.previous = last_waiter_;
    (last_waiter_ ? last_waiter_->next : first_waiter_) = &x;
    last_waiter_ = &x;
  }
  // Places that were lent to other processes may be idle there.
  if (port_ && x.who != port_)
    wakes.add(*port_, wake::room);
  room_wanted_.store(true, std::memory_order_relaxed);
  // Pairs with the fence in inlet::offer_room: either the consumer sees that
  // room is wanted, or the caller, who looks again, sees what it released.
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

void queue::remove_waiter(room_waiter& x) noexcept {
  (x.previous ? x.previous->next : first_waiter_) = x.next;
  (x.next ? x.next->previous : last_waiter_) = x.previous;
  x.waiting = false;
  if (!first_waiter_)
    room_wanted_.store(false, std::memory_order_relaxed);
}

void queue::end_if_done(wake_list& wakes) {
  // Away, only the seat knows whether this was the last publisher.
  if (away_ || ending_ != ending::open || publishers_ != 0 || tokens_ != 0)
    return;
  if (completed_ == 0) {
    if (token_error_)
      end_with(failure{*token_error_}, wakes);
  } else {
    ending_ = ending::completed;
    wake_consumer(wakes);
    wake_all_waiters(wakes);
    changed(wakes);
  }
}

void queue::end_with(const failure& error, wake_list& wakes) {
  error_ = std::make_unique<failure>(error);
  ending_ = ending::failed;
  wake_consumer(wakes);
  wake_all_waiters(wakes);
  changed(wakes);
}

void queue::report_drops(event what, std::uint64_t count, guard& lock) {
  auto& report = what == event::dropped_newest ? newest_report_
                                               : oldest_report_;
  report.pending += count;
  const auto now = current_time();
  if (now < report.due) {
    lock.unlock();
    return;
  }
  report.due = now + between_reports;
  const auto due = std::exchange(report.pending, 0);
  lock.unlock();
  notify_(*this, what, due);
}

} // namespace puma::internal
