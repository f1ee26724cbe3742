// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/port.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>

namespace puma::internal {

namespace {

/// A batch leaves when it has this size, or when nothing more waits.
constexpr std::size_t batch_bytes = 64 * 1024;

/// Larger batches, of large values, go in pieces of this size.
constexpr std::size_t piece_bytes = 256 * 1024;

/// The memory of a batch is used again if it is not larger.
constexpr std::size_t most_kept_bytes = 2 * 1024 * 1024;

/// Places for the first values of unknown size.
constexpr std::uint64_t first_places = 16;

/// What a link may have sent that the subscription has not consumed: bounds
/// what large values take at the seat, where the capacity alone would allow
/// much.
constexpr std::uint64_t bytes_window = 16 * 1024 * 1024;

template <class Head>
port::bytes bytes_of(const Head& head) noexcept {
  return std::as_bytes(std::span{&head, 1});
}

/// Takes a head off the front of `from`.
template <class Head>
Head take_head(port::bytes& from) {
  Head result;
  if (from.size() < sizeof(Head))
    throw error{"a frame of a link ends within its head"};
  std::memcpy(&result, from.data(), sizeof(Head));
  from = from.subspan(sizeof(Head));
  return result;
}

failure take_failure(port::bytes from) {
  decoder in{from};
  auto result = decode_failure(in);
  if (!in.ok())
    throw error{"a frame of a link holds no failure: " + in.error()};
  return result;
}

} // namespace

/// A process that publishes to the seat here.
struct port::link_end {
  carrier_ptr from;
  bool open = false;
  bool hungry = false;       // a publisher there waits for a place
  bool recall_sent = false;  // idle places are on their way back
  std::uint64_t opening = 0; // as its `open` said
  std::uint64_t lent = 0;    // places of the queue that are reserved for it
  std::uint64_t sequence = 0;
  struct batch {
    std::uint64_t end; // the place of its last value among all in the queue
    std::uint64_t bytes;
  };
  std::deque<batch> batches;        // not consumed yet
  std::uint64_t bytes_waiting = 0;  // of these
  std::uint64_t bytes_consumed = 0; // of those before
  std::uint64_t bytes_told = 0;     // as it has been told
  std::uint64_t value_bytes = 0;    // about so large is one; 0 before the first
  std::shared_ptr<encoder> pieces;  // of the batch to come, or null
  std::shared_ptr<encoder> spare_pieces;
  room_waiter wait;
};

/// A frame to be sent when the mutex has been released.
struct port::small_frame {
  carrier_ptr to;
  link_frame what;
  std::vector<std::byte> body;

  template <class Head>
  small_frame(carrier_ptr c, link_frame w, const Head& head)
    : to(std::move(c)),
      what(w),
      body(bytes_of(head).begin(), bytes_of(head).end()) {}

  small_frame(carrier_ptr c, link_frame w, const failure* error)
    : to(std::move(c)),
      what(w) {
    if (!error)
      return;
    encoder out;
    encode(out, *error);
    body.assign(out.bytes().begin(), out.bytes().end());
  }
};

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

void port::refuse(const failure& error) {
  wake_list wakes;
  const guard lock{queue_->mutex_};
  if (!queue_->inlet_)
    return;
  queue_->refusal_ = std::make_unique<failure>(error);
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
  if (q.away_) {
    // What was on its way to the seat, or waited for a place there.
    for (auto* x = q.listed_.head; x; x = x->next)
      q.stats_.lost += x->count();
    while (!q.listed_.empty())
      delete_chunk(q.listed_.pop_front(), q.ops_);
    // Of what it had, all may be gone that it has not made room for since.
    const auto granted = q.released_.load(std::memory_order_relaxed);
    q.stats_.lost += std::min(q.capacity_,
                              q.sent_ + q.capacity_
                                - std::min(granted, q.sent_ + q.capacity_));
    q.reserved_ -= std::min(q.reserved_ - q.sent_, q.listed_count_);
    q.listed_count_ = 0;
    q.away_ = false;
    q.opening_ = false;
    q.recalled_ = false;
    q.bound_ = q.capacity_;
    q.released_.store(q.sent_, std::memory_order_relaxed);
    q.seat_base_ = q.sent_;
  }
  if (q.ending_ == queue::ending::open)
    q.end_with(error, wakes);
  q.wake_consumer(wakes);
  wakes.add(*this, wake::change);
}

void port::node_gone(node_id who, const failure& error) {
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
  if ((was_open || expected) && q.ending_ == queue::ending::open)
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
  if (held_ || shipping_ || answer_due_
      || subscription_told_ != (q.inlet_ && !q.refusal_))
    return false;
  if (!q.away_)
    return q.inlet_ || context_.self() == owner_node;
  if (ended_)
    return true;
  if (publishes())
    return link_open_;
  return !link_open_ && !must_open_ && !needs_link();
}

bool port::unused() const {
  const guard lock{queue_->mutex_};
  auto& q = *queue_;
  return core_.use_count() == 1 && !q.inlet_ && !subscription_told_ && !held_
         && !shipping_ && links_.empty() && q.publishers_ + q.tokens_ == 0
         && (broken_ || ended_
             || (q.away_ ? !link_open_ && !needs_link()
                         : context_.self() == owner_node));
}

// -- a round ------------------------------------------------------------------

void port::round() {
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
  if (!away) {
    serve_links();
    return;
  }
  open_link();
  report_publishers();
  pump();
  close_link();
  report_publishers();
  trade_places();
}

void port::report_subscription() {
  using note = port_context::note;
  auto what = note::subscribed;
  {
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (!q.inlet_)
      q.refusal_.reset();
    const bool has = q.inlet_ && !q.refusal_;
    if (has == subscription_told_ || (q.inlet_ && q.refusal_))
      return;
    subscription_told_ = has;
    if (!has)
      what = note::unsubscribed;
  }
  context_.tell_home(id_, what, 0);
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
      hungry_ = false;
      queue_->recalled_ = false;
    } else {
      const auto others = open_links()
                          + static_cast<std::uint32_t>(expected_.size())
                          + (blanket_ ? 1u : 0u);
      active = queue_->publishers_ + queue_->tokens_ != others;
      // What it has in hand could not be shipped.
      in_use = queue_->inlet_ && !queue_->refusal_;
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

// -- away ---------------------------------------------------------------------

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
    link_open_ = true;
    linked_ = true;
    must_open_ = false;
    head.opening = ++opening_;
    bytes_acknowledged_ = 0;
  }
  sequence_ = 0;
  bytes_sent_ = 0;
  out_->send(link_frame::open, id_, bytes_of(head), {});
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
      } else if (bytes_sent_ + batch_->size() - bytes_acknowledged_
                 >= bytes_window) {
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
}

std::uint32_t port::encode_part() {
  // Values that own memory may be of any size: go by what they come to.
  const auto& ops = queue_->ops();
  auto& x = *current_;
  const auto before = x.begin;
  const auto bytes_before = batch_->size();
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
  while (body.size() > piece_bytes) {
    out_->send(link_frame::piece, id_, {}, body.first(piece_bytes), batch_);
    body = body.subspan(piece_bytes);
  }
  const values_head head{sequence_++, count, beyond};
  out_->send(link_frame::values, id_, bytes_of(head), body, batch_);
  // The carrier may hold on to what it could not send yet; and what was grown
  // for one large value is not kept for small ones.
  if (batch_.use_count() == 1 && batch_->size() <= most_kept_bytes)
    batch_->clear();
  else
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
    link_open_ = false;
    hungry_ = false;
    q.recalled_ = false;
    q.opening_ = true;
    q.released_.store(q.sent_, std::memory_order_relaxed);
  }
  encoder body;
  if (error)
    encode(body, *error);
  out_->send(link_frame::close, id_, bytes_of(head), body.bytes());
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

void port::trade_places() {
  auto what = link_frame::hungry;
  returned_head head{};
  {
    const guard lock{queue_->mutex_};
    auto& q = *queue_;
    if (held_ || !link_open_ || ended_)
      return;
    if (q.first_waiter_) {
      if (hungry_ || q.room() != 0)
        return;
      hungry_ = true;
    } else {
      if (!q.recalled_ || q.room() == 0)
        return;
      head.places = q.room();
      q.released_.fetch_sub(head.places, std::memory_order_relaxed);
      q.recalled_ = false;
      what = link_frame::returned;
    }
  }
  if (what == link_frame::hungry)
    out_->send(what, id_, {}, {});
  else
    out_->send(what, id_, bytes_of(head), {});
}

// -- the seat moves -----------------------------------------------------------

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
    q.away_ = false;
    q.opening_ = false;
    q.recalled_ = false;
    q.bound_ = q.capacity_;
    q.released_.store(q.sent_, std::memory_order_relaxed);
    q.seat_base_ = q.sent_;
    q.reserved_ += std::exchange(moving_count_, 0);
    if (!std::exchange(blanket_, true))
      ++q.tokens_;
    accepted_base_ = q.stats_.accepted - q.listed_count_;
    dropped_base_ = q.stats_.dropped_oldest;
    link_open_ = linked_ = must_open_ = hungry_ = false;
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

// -- at the seat --------------------------------------------------------------

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
  x.hungry = x.recall_sent = false;
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
  const bool urgent = x.hungry || x.lent == 0;
  const auto least = urgent ? 1 : std::max<std::uint64_t>(share / 4, 1);
  if (lack < least)
    return 0;
  for (int tries = 0; tries != 2; ++tries) {
    const bool others_first = q.first_waiter_ && q.first_waiter_ != &x.wait
                              && !x.wait.was_woken.load(
                                std::memory_order_relaxed);
    const auto places = others_first ? 0
                                     : std::min<std::uint64_t>(q.room(), lack);
    if (places >= least) {
      q.reserved_ += places;
      x.lent += places;
      x.hungry = false;
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
  bool tell = places != 0;
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
                    return &x->wait == w && (x->hungry || x->lent == 0);
                  });
      };
      bool starving = false;
      for (auto* w = q.first_waiter_; w && !starving && linked != 0;
           w = w->next)
        starving = starves(w);
      if (starving && q.room() == 0)
        for (auto& x : links_)
          if (x->open && x->lent != 0 && !x->hungry && !x->recall_sent) {
            x->recall_sent = true;
            out.emplace_back(x->from, link_frame::recall,
                             open_head{x->opening});
          }
    }
  }
  for (auto& x : out)
    x.to->send(x.what, id_, x.body, {});
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
  case link_frame::hungry: {
    wake_list wakes;
    const guard lock{queue_->mutex_};
    if (auto* x = open_link_of(from)) {
      x->hungry = true;
      wakes.add(*this, wake::room);
    }
    return;
  }
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
  }
  throw error{"buffer '" + queue_->name_ + "': unknown frame "
              + std::to_string(static_cast<int>(what))};
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
    hungry_ = false;
    q.recalled_ = false;
    q.wake_waiters(wakes);
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
  hungry_ = false;
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
