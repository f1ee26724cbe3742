// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/task.hpp"

#include "puma/actors/internal/local_reference.hpp"
#include "puma/actors/internal/registry.hpp"
#include "puma/actors/internal/task_parts.hpp"
#include "puma/actors/source_runnable.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/cycles.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/internal/port.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace puma::internal {

namespace {

/// A slice gives way to other runnables after this time.
constexpr auto slice_time = about_microseconds(250);

/// Within a slice, results are made visible at least this often.
constexpr auto flush_time = about_microseconds(20);

/// Values between two looks at the clock: fast hooks pay for few looks, slow
/// hooks are noticed soon.
constexpr std::uint32_t longest_stride = 64;
constexpr auto short_stride_time = about_microseconds(4);
constexpr auto long_stride_time = about_microseconds(20);

/// How often a task that is woken while it runs goes on at once.
constexpr int most_rounds = 4;

/// How many jobs it does before it looks for values again.
constexpr int most_jobs = 64;

constexpr const char* waiting_activity = "waiting";

} // namespace

/// Looks at the time between strides of values.
class task::slice_clock {
 public:
  explicit slice_clock(task& self)
    : self_(self),
      // Under the virtual clock, time does not pass within a slice.
      stands_still_(wait_driver::of_this_thread() != nullptr),
      start_(read_cycles()),
      flushed_(start_),
      last_(start_) {}

  /// To be called after `count` more values. Looks at the clock after a full
  /// stride of them: adapts the stride, makes results visible when they have
  /// waited for long, and returns whether the slice is over. (With a clock that
  /// stands still, each stride is a slice.)
  bool must_yield(std::uint32_t& stride, std::size_t count) {
    handled_ += count;
    if (handled_ < stride)
      return false;
    handled_ = 0;
    if (stands_still_)
      return true;
    const auto now = read_cycles();
    const auto took = now - std::exchange(last_, now);
    if (took < short_stride_time)
      stride = std::min(stride * 2, longest_stride);
    else if (took > long_stride_time)
      stride = std::max(stride / 4, 1u);
    if (now - start_ >= slice_time)
      return true;
    if (now - flushed_ < flush_time)
      return false;
    flushed_ = now;
    self_.pause();
    // Those who got something to do run next, on this core, while its data is
    // in the cache.
    return !self_.pending_.empty();
  }

 private:
  task& self_;
  const bool stands_still_;
  std::size_t handled_ = 0; // since the last look
  const cycles start_;
  cycles flushed_;
  cycles last_;
};

task::task(record_ptr record, bool may_wait)
  : bits_(scheduled),
    may_wait_(may_wait),
    record_(std::move(record)) {}

task::~task() = default;

// -- waking -------------------------------------------------------------------

bool task::arm(wake::bits what) noexcept {
  const auto before = bits_.fetch_or(what | scheduled,
                                     std::memory_order_acq_rel);
  if ((before & scheduled) == 0) {
    retain();
    return true;
  }
  // A dedicated runnable may be asleep inside of a hook. It is woken right
  // here: the task may have gone to sleep and been scheduled anew by the time
  // the caller would fire.
  if ((before & parked) == 0
      || (bits_.fetch_and(~parked, std::memory_order_acq_rel) & parked) == 0)
    return false;
  if (wait_driver::of_this_thread()) {
    // It is suspended, rather than asleep.
    retain();
    return true;
  }
  futex_wake(bits_, 1);
  return false;
}

void task::fire(urgency how) noexcept {
  submit(how);
}

void task::signal(wake::bits what) noexcept {
  wake_list wakes;
  wakes.add(*this, what);
}

void task::notify(wake::bits what, wake_list& wakes) noexcept {
  wakes.add(*this, what);
}

std::string task::current_activity() const {
  return activity();
}

detail::target_ptr task::route() {
  return nullptr;
}

job_inbox::result task::give(const detail::job_ptr& x,
                             wake_list& wakes) noexcept {
  const auto result = jobs_.push(x);
  if (result == job_inbox::result::pushed)
    wakes.add(*this, wake::job);
  return result;
}

bool task::is_here() const noexcept {
  return party::current() == this;
}

bool task::may_wait() const noexcept {
  return may_wait_;
}

void task::wait(time_point deadline) {
  // What this hook waits for may depend on what has been done so far.
  pause();
  if (object_)
    tell_ready();
  pending_.fire(urgency::at_once);
  for (;;) {
    auto seen = bits_.load(std::memory_order_acquire);
    if (stopping_ || suspending_ || (seen & (wake::stop | wake::suspend)) != 0)
      throw stopped{"runnable '" + record_->name
                    + "': told to stop while it waited"};
    // Jobs of this slice may be left.
    if (jobs_.size() != 0 && !in_job_ && object_) {
      bits_.fetch_and(~wake::job, std::memory_order_acq_rel);
      run_jobs_while_waiting();
      // What this hook waits for may hold now.
      return;
    }
    constexpr auto reasons = wake::data | wake::room | wake::change;
    if ((seen & reasons) != 0) {
      // Which inputs the data is for is sorted out at the next slice.
      bits_.fetch_and(~(reasons & ~wake::data), std::memory_order_acq_rel);
      room_taken_ = room_taken_ || (wants_room_ && (seen & wake::room) != 0);
      if ((seen & wake::data) != 0) {
        bits_.fetch_and(~wake::data, std::memory_order_acq_rel);
        for (auto& in : inputs_)
          in->end->set_busy();
      }
      return;
    }
    if (deadline != no_deadline && current_time() >= deadline)
      return;
    if (!bits_.compare_exchange_weak(seen, seen | parked,
                                     std::memory_order_acq_rel))
      continue;
    if (auto* driver = wait_driver::of_this_thread()) {
      if (deadline != no_deadline)
        driver->arm_at(deadline, *this);
      suspend();
      driver->forget(*this);
    } else {
      futex_wait(bits_, seen | parked, deadline);
    }
    bits_.fetch_and(~parked, std::memory_order_acq_rel);
  }
}

void task::output_blocked() noexcept {
  bits_.fetch_or(blocked, std::memory_order_relaxed);
}

wake_list& task::pending_wakes() noexcept {
  return pending_;
}

void task::fire_pending_wakes() noexcept {
  pending_.fire(urgency::at_once);
}

void task::adopt(outlet& x) {
  outputs_.push_back(&x);
  x.enter_scope();
  bits_.fetch_or(reshaped, std::memory_order_relaxed);
}

void task::forget(outlet& x) noexcept {
  std::erase(outputs_, &x);
  bits_.fetch_or(reshaped, std::memory_order_relaxed);
}

// -- what the runnable declares -----------------------------------------------

std::size_t task::add_input(std::shared_ptr<queue> source,
                            const detail::input_ops& ops, void* subscriber) {
  for (auto& in : inputs_)
    if (&in->end->source() == source.get())
      throw usage_error{"buffer '" + source->name()
                        + "': is an input of this runnable already"};
  auto relay = record_->terms.on_failure ? port::relay_for(source) : nullptr;
  auto keeper = record_->terms.keeps_values
                  ? std::make_unique<value_keeper>(*source)
                  : nullptr;
  inputs_.push_back(std::unique_ptr<input>{
    new input{std::make_unique<inlet>(source, this, std::move(relay)), ops,
              subscriber, 1, false, false, std::move(keeper)}});
  ++open_inputs_;
  return inputs_.size() - 1;
}

task::input& task::input_at(std::size_t number) {
  if (number >= inputs_.size())
    throw usage_error{describe() + ": has no input with number "
                      + std::to_string(number)};
  return *inputs_[number];
}

void task::hold_input(std::size_t number) {
  auto& in = input_at(number);
  in.held = true;
  // The values behind the one in hand are to stay where they are.
  if (&in == current_input_)
    bits_.fetch_or(reshaped, std::memory_order_relaxed);
}

void task::resume_input(std::size_t number) {
  input_at(number).held = false;
}

void task::await_room() noexcept {
  wants_room_ = true;
  // The next round of this slice looks for it.
  bits_.fetch_or(wake::room, std::memory_order_relaxed);
}

void task::require_input() noexcept {
  needs_input_ = true;
}

void task::set_source(source_runnable& x) noexcept {
  source_ = &x;
}

ticker& task::ticks() {
  if (!ticker_)
    ticker_ = std::make_unique<ticker>(*this, record_->owner->alarms());
  return *ticker_;
}

// -- objects that are kept ----------------------------------------------------

detail::target_ptr task::keep(detail::kept_ptr x) {
  if (!kept_)
    kept_ = std::make_unique<kept_objects>();
  const auto number = ++record_->last_kept;
  kept_->all.emplace(number, std::move(x));
  return std::make_shared<local_reference>(record_, number);
}

void task::stand_in(detail::kept_ptr x) {
  if (!kept_)
    kept_ = std::make_unique<kept_objects>();
  kept_->all[detail::own_object] = std::move(x);
}

detail::target_ptr task::own_reference() const {
  return record_;
}

void* task::kept(std::uint64_t number, const std::type_info& type) const {
  if (kept_)
    if (const auto i = kept_->all.find(number);
        i != kept_->all.end() && i->second->type() == type)
      return i->second->address();
  return nullptr;
}

void task::let_go(std::uint64_t number) {
  if (kept_)
    kept_->all.erase(number);
}

void task::publish_status(detail::status_ptr x) {
  record_->owner->publish_status(*record_, std::move(x));
}

std::string task::describe() const {
  return "runnable '" + record_->name + "'";
}

// -- a slice ------------------------------------------------------------------

task::outcome task::run_slice() {
  for (int round = 1;; ++round) {
    auto result = outcome::ended;
    {
      const scope in{*this};
      take_signals(bits_.fetch_and(~signals, std::memory_order_acq_rel));
      if (was_constructed_ || construct())
        result = work();
      if (std::exchange(room_taken_, false))
        bits_.fetch_or(wake::room, std::memory_order_relaxed);
      if (result != outcome::ended)
        pause();
      if (ticker_)
        ticker_->update();
    }
    pending_.fire(urgency::last_act);
    if (result != outcome::idle)
      return result;
    // From the moment on that the schedule is given back, another thread may
    // run the next slice: nothing of the task may be touched any more.
    auto now = bits_.load(std::memory_order_acquire);
    if ((now & signals) != 0 && round == most_rounds)
      return outcome::again;
    while ((now & signals) == 0) {
      if (bits_.compare_exchange_weak(now, now & ~scheduled,
                                      std::memory_order_acq_rel))
        return outcome::idle;
    }
  }
}

void task::take_signals(wake::bits seen) noexcept {
  stopping_ = stopping_ || (seen & wake::stop) != 0;
  draining_ = draining_ || (seen & wake::drain) != 0;
  suspending_ = suspending_ || (seen & wake::suspend) != 0;
  if ((seen & wake::data) != 0)
    for (auto& in : inputs_)
      in->end->set_busy();
  if ((seen & wake::tick) != 0 && ticker_)
    ticker_->alarm_came();
  if ((seen & wake::mail) == 0)
    return;
  if (!was_constructed_) {
    // Its handlers are not set yet.
    bits_.fetch_or(wake::mail, std::memory_order_relaxed);
    return;
  }
  const activity_guard doing{*this, "message handler"};
  if (!handle_mail())
    stopping_ = true;
}

void task::mail_failed(std::optional<failure> error) {
  if (!job_error_)
    job_error_ = std::move(error);
}

bool task::construct() {
  was_constructed_ = true;
  retain();
  record_->owner->attach(*record_, *this);
  // Held open by tokens until the new object has opened its publishers.
  const bool may_repeat = record_->terms.on_failure && record_->care;
  const auto own = may_repeat ? nullptr : std::move(record_->recipe);
  auto* const recipe = own ? own.get() : record_->recipe.get();
  auto failed = std::optional<failure>{};
  bool over = false;
  // Also when it has been told to stop already: only the object knows which
  // buffers are outputs, whose streams have to be completed.
  activity_.store("constructor", std::memory_order_relaxed);
  try {
    object_ = may_repeat ? recipe->make_again() : recipe->make();
    if (auto plan = record_->owner->constructed(
          *record_, object_->name(),
          source_ || needs_input_ || !inputs_.empty() ? run_kind::stream
                                                      : run_kind::passive))
      faults_ = fault_counter::make(std::move(plan), object_->name(),
                                    record_->instance);
    activity_.store("on_start", std::memory_order_relaxed);
    strike("on_start");
    object_->on_start();
    if (needs_input_ && inputs_.empty())
      throw usage_error{"runnable '" + object_->name()
                        + "': needs at least one input"};
    take_over_streams();
    tell_ready();
  } catch (...) {
    failed = ending_here();
    own_error_ = failed.has_value();
    over = true;
  }
  object_place_ = {};
  activity_.store(waiting_activity, std::memory_order_relaxed);
  const bool stopped_early = over && !failed && !object_;
  const bool suspends = over && !object_ && must_suspend(failed.has_value());
  for (auto& x : recipe->buffers)
    if (suspends)
      record_->held.push_back({x->queue(), false});
    else if (stopped_early)
      x->queue()->complete_token();
    else
      x->queue()->drop_token(failed && !object_ ? &*failed : nullptr);
  if (!over)
    return true;
  end(std::move(failed));
  return false;
}

task::outcome task::work() {
  try {
    if (stopping_ || suspending_
        || (bits_.load(std::memory_order_relaxed) & wake::stop) != 0)
      return end({});
    // Neither is kept waiting by values, nor by outputs without room. After
    // each tick it is the others' turn.
    run_jobs();
    if (ticker_ && give_tick())
      bits_.fetch_or(wake::tick, std::memory_order_relaxed);
    if ((bits_.load(std::memory_order_relaxed) & wake::stop) != 0)
      return end({});
    if ((bits_.load(std::memory_order_relaxed) & blocked) != 0
        && !drain_outboxes())
      return outcome::idle;
    if (wants_room_)
      give_room();
    // What makes values by itself, rather than from others.
    if (draining_ && (source_ || (inputs_.empty() && !outputs_.empty())))
      return end({});
    slice_clock clock{*this};
    return source_ ? service_source(clock) : service_inputs(clock);
  } catch (...) {
    auto error = ending_here();
    own_error_ = error.has_value();
    if (error && current_input_ && !failed_value_
        && std::string_view{activity()} == value_activity) {
      auto& from = current_input_->end->source();
      from.count_failed();
      if (record_->observer)
        record_->failed_input = from.shared_from_this();
    }
    return end(std::move(error));
  }
}

std::optional<task::outcome> task::interrupted() {
  const auto now = bits_.load(std::memory_order_relaxed);
  if ((now & attention) == 0)
    return std::nullopt;
  if ((now & signals & attention) != 0)
    return outcome::again;
  if ((now & reshaped) != 0)
    bits_.fetch_and(~reshaped, std::memory_order_relaxed);
  if ((now & blocked) == 0)
    return std::nullopt;
  // An outbox is not empty: room will wake the task, unless there is some now.
  return drain_outboxes() ? std::nullopt : std::optional{outcome::idle};
}

void task::run_jobs() {
  if (jobs_.size() == 0)
    return;
  const bool stands_still = wait_driver::of_this_thread() != nullptr;
  const auto start = read_cycles();
  for (int n = 1; run_job(); ++n) {
    // Values and other runnables must get their turn, too.
    if (jobs_.size() != 0
        && (n == most_jobs
            || (!stands_still && read_cycles() - start >= slice_time))) {
      bits_.fetch_or(wake::job, std::memory_order_relaxed);
      return;
    }
  }
}

bool task::run_job() {
  const auto job = jobs_.pop();
  if (!job)
    return false;
  const activity_guard doing{*this, job->activity()};
  struct marker {
    bool& flag;
    const bool outer = std::exchange(flag, true);
    ~marker() { flag = outer; }
  };
  const marker inside{in_job_};
  job->run(*this);
  return true;
}

void task::run_jobs_while_waiting() {
  try {
    run_jobs();
  } catch (...) {
    // The hook that waits is not the one that failed, but it must return.
    job_error_ = ending_here();
    stopping_ = true;
    // Also if the hook swallows what is thrown here.
    bits_.fetch_or(wake::stop, std::memory_order_relaxed);
    throw stopped{describe() + ": failed while a hook waited"};
  }
}

bool task::give_tick() {
  auto& ticks = ticker_->schedule;
  // What is made at each tick comes from nobody else.
  if (draining_ && inputs_.empty())
    ticks.pause();
  const auto now = current_time();
  const auto when = ticks.take(now);
  if (!when)
    return false;
  const activity_guard doing{*this, "on_tick"};
  strike("on_tick");
  object_->on_tick(*when);
  return ticks.next() <= now;
}

task::outcome task::service_inputs(slice_clock& clock) {
  for (std::size_t idle = 0; idle < inputs_.size();) {
    next_input_ = next_input_ + 1 < inputs_.size() ? next_input_ + 1 : 0;
    auto& in = *inputs_[next_input_];
    if (in.done || in.held || in.end->idle()) {
      ++idle;
      continue;
    }
    const auto status = in.end->refill(true);
    if (status == receive_status::empty) {
      ++idle;
      continue;
    }
    idle = 0;
    current_input_ = &in;
    if (status == receive_status::value) {
      in.end->set_consuming(true);
      if (auto result = service_window(in, clock))
        return *result;
      continue;
    }
    if (status == receive_status::failed)
      return end(in.end->error());
    deliver_end(in, nullptr);
    if (open_inputs_ == 0)
      return end({});
    if (auto result = interrupted())
      return *result;
  }
  return outcome::idle;
}

std::optional<task::outcome> task::service_window(input& in,
                                                  slice_clock& clock) {
  const activity_guard doing{*this, value_activity};
  if (in.keeper || faults_)
    return service_kept(in, clock);
  const auto value_size = in.end->source().ops().size;
  do {
    const auto* before = in.end->next;
    in.ops.service(in.subscriber, *in.end, in.stride, in.end->released(), bits_,
                   attention);
    const auto bytes = static_cast<std::size_t>(in.end->next - before);
    if (auto result = interrupted())
      return result;
    if (clock.must_yield(in.stride, bytes / value_size))
      return outcome::again;
  } while (in.end->next != in.end->limit && !in.held);
  return std::nullopt;
}

std::optional<task::outcome> task::service_kept(input& in, slice_clock& clock) {
  auto& from = *in.end;
  auto& released = from.released();
  const auto value_size = from.source().ops().size;
  do {
    auto* const value = from.next;
    // One by one: so that it is known which one failed.
    auto* const limit = std::exchange(from.limit, value + value_size);
    try {
      if (in.keeper)
        in.keeper->keep(value);
      strike(value_activity);
      in.ops.service(in.subscriber, from, 1, released, bits_, attention);
    } catch (...) {
      from.limit = limit;
      if (!in.keeper) {
        if (from.next == value) {
          // A fault that a test wanted: as if the hook had thrown.
          from.source().ops().destroy(value, 1);
          from.next = value + value_size;
          released.fetch_add(1, std::memory_order_release);
        }
        throw;
      }
      if (from.next != value) {
        in.keeper->restore(value);
        from.next = value;
        released.fetch_sub(1, std::memory_order_release);
      }
      failed_value_ = {from.source().shared_from_this(), in.handled};
      throw;
    }
    ++in.handled;
    from.limit = limit;
    if (auto result = interrupted())
      return result;
    if (clock.must_yield(in.stride, 1))
      return outcome::again;
  } while (from.next != from.limit && !in.held);
  return std::nullopt;
}

task::outcome task::service_source(slice_clock& clock) {
  const activity_guard doing{*this, "on_demand"};
  const bool faulty = faults_ != nullptr;
  for (;;) {
    // The common case has one output; its place is looked up once per stride.
    // Outputs that come or go raise `reshaped`.
    const auto* only = outputs_.size() == 1 ? outputs_.front() : nullptr;
    for (auto n = source_stride_; n != 0; --n) {
      if ((!only || only->next == only->limit) && !outputs_have_room())
        return outcome::idle; // room will wake the task
      if (faulty) [[unlikely]]
        strike("on_demand");
      if (!source_->on_demand())
        return end({});
      if ((bits_.load(std::memory_order_relaxed) & attention) != 0) {
        if (auto result = interrupted())
          return *result;
        break;
      }
    }
    if (!any_output_live())
      return end({});
    if (clock.must_yield(source_stride_, source_stride_))
      return outcome::again;
  }
}

bool task::outputs_have_room() {
  for (std::size_t i = 0; i != outputs_.size(); ++i) {
    auto& x = *outputs_[i];
    if (x.next != x.limit)
      continue;
    // Of several publishers on one buffer the first one's room is enough: they
    // would take it from each other.
    const auto same = [&x](const outlet* y) {
      return &y->target() == &x.target();
    };
    const auto begin = outputs_.begin();
    const auto here = begin + static_cast<std::ptrdiff_t>(i);
    if (std::none_of(begin, here, same) && !x.ensure_room())
      return false;
  }
  return true;
}

void task::give_room() {
  // Each of them wakes the task.
  bool any = false;
  for (auto* x : outputs_)
    any = x->await_room() || any;
  if (!any && !outputs_.empty())
    return;
  wants_room_ = false;
  const activity_guard doing{*this, "on_room"};
  strike("on_room");
  object_->on_room();
}

bool task::any_output_live() const {
  if (outputs_.empty())
    return true; // a source may act by side effects alone
  return std::any_of(outputs_.begin(), outputs_.end(), [](const outlet* x) {
    return x->next != x->limit || x->live();
  });
}

bool task::drain_outboxes() {
  bool all = true;
  for (auto* x : outputs_)
    all = x->drain_outbox(pending_) && all;
  if (all)
    bits_.fetch_and(~blocked, std::memory_order_relaxed);
  return all;
}

void task::pause() noexcept {
  for (auto* x : outputs_)
    x->flush(pending_);
  const bool all_left = (bits_.load(std::memory_order_relaxed) & blocked) == 0;
  for (auto& in : inputs_) {
    if (all_left)
      in->end->note_flushed();
    in->end->offer_room(pending_);
  }
}

} // namespace puma::internal
