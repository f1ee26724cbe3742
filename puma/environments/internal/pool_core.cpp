// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/pool_core.hpp"

#include "puma/actors/detail/constructing.hpp"
#include "puma/actors/internal/registry.hpp"
#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/environments/environment.hpp"
#include "puma/environments/internal/pool_slot.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <exception>
#include <limits>
#include <thread>
#include <utility>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.pools";

/// Jobs that one worker has taken in one go and not begun after this time are
/// late: it is busy with one that takes long.
constexpr auto late_time = about_microseconds(50);

/// So many other workers are looked at for late jobs.
constexpr std::size_t neighbours = 4;

constexpr std::string_view was_closed = "it was closed";
constexpr std::string_view was_stopped = "it was stopped";
constexpr std::string_view was_abandoned
  = "its workers were told to stop, since the program stops or drains";
constexpr std::string_view had_no_worker = "no worker could be started";

pool_options completed(const std::string& name, pool_options x) {
  if (name.empty())
    throw usage_error{"pool: the name must not be empty"};
  if (x.workers == 0)
    x.workers = std::max(std::thread::hardware_concurrency(), 1u);
  if (x.max_workers == 0)
    x.max_workers = x.workers;
  if (x.max_workers < x.workers)
    throw usage_error{"pool '" + name + "': max_workers is less than workers"};
  if (x.idle_time.count() <= 0)
    throw usage_error{"pool '" + name + "': idle_time must be positive"};
  if (x.drain.count() < 0)
    throw usage_error{"pool '" + name + "': drain must not be negative"};
  // So that sums with it do not wrap.
  x.backlog = std::min(x.backlog, std::numeric_limits<std::size_t>::max() / 4);
  return x;
}

} // namespace

pool_seat::~pool_seat() {
  pool_->leave(*this);
}

pool_core::pool_core(std::string name, const environment& env,
                     const pool_options& options,
                     detail::buffer_core_ptr results)
  : name_(std::move(name)),
    options_(completed(name_, options)),
    env_(env.share()),
    is_local_(env.is_local()),
    results_(std::move(results)),
    queues_(options_.max_workers) {
  idle_.reserve(options_.max_workers);
  free_numbers_.reserve(options_.max_workers);
  for (auto n = options_.max_workers; n != 0; --n)
    free_numbers_.push_back(n - 1);
}

pool_core::~pool_core() = default;

void pool_core::open() {
  if (results_) {
    results_->queue()->add_token();
    holds_results_ = true;
  }
  for (std::size_t n = 0; n != options_.workers; ++n) {
    std::size_t number = 0;
    {
      const guard lock{mutex_};
      if (closing_)
        return;
      number = take_number();
    }
    start_worker(number);
  }
}

pool_stats pool_core::stats() const {
  const guard lock{mutex_};
  auto result = stats_;
  result.workers = seats_;
  result.busy = running_;
  result.waiting = jobs_.size();
  return result;
}

// -- submitters ---------------------------------------------------------------

void pool_core::check_can_go(detail::pool_job& x) const {
  if (is_local_)
    return;
  const auto why = x.ticket().obstacle();
  if (!why.empty())
    throw usage_error{"pool '" + name_ + "': job '" + x.ticket().method().name
                      + "' cannot go to another process: " + why};
}

bool pool_core::has_room() const noexcept {
  return jobs_.size() + reserved_
         < options_.backlog + options_.max_workers - running_;
}

void pool_core::check_open() const {
  if (closing_)
    throw pool_closed{"pool '" + name_
                      + "': takes no more jobs: " + why_closed_};
}

bool pool_core::wait_for_room(guard& lock, time_point deadline) {
  if (closing_ || has_room())
    return true;
  if (deadline == no_wait)
    return false;
  if (auto* running = party::current(); running && !running->may_wait()) {
    if (deadline != no_deadline)
      return false;
    throw usage_error{"pool '" + name_
                      + "': full, and a pooled runnable must not wait; use "
                        "try_submit, or start the runnable as dedicated"};
  }
  struct waiter {
    std::size_t& count;
    explicit waiter(std::size_t& x) : count(x) { ++count; }
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;
    ~waiter() { --count; }
  };
  const waiter counted{submitters_waiting_};
  return waiting_.wait(lock, deadline, "pool '" + name_ + "'",
                       [this] { return closing_ || has_room(); });
}

void pool_core::submit(job_ptr x) {
  check_can_go(*x);
  bool grows = false;
  std::size_t number = 0;
  {
    wake_list wakes;
    guard lock{mutex_};
    wait_for_room(lock, no_deadline);
    check_open();
    add(std::move(x), wakes);
    grows = must_grow();
    if (grows)
      number = take_number();
  }
  if (grows)
    grow(number);
}

submit_result pool_core::reserve(time_point deadline) {
  guard lock{mutex_};
  if (!wait_for_room(lock, deadline))
    return submit_result::full;
  if (closing_)
    return submit_result::closed;
  ++reserved_;
  return submit_result::accepted;
}

void pool_core::return_reservation() {
  bool ends = false;
  {
    wake_list wakes;
    const guard lock{mutex_};
    --reserved_;
    tell_submitters(wakes);
    ends = finish_if_done(wakes);
  }
  if (ends)
    end_workers();
}

void pool_core::submit_reserved(job_ptr x) {
  bool grows = false;
  std::size_t number = 0;
  try {
    check_can_go(*x);
    wake_list wakes;
    const guard lock{mutex_};
    // Closing waits for those who have a reservation, but not when there is
    // nobody left to do the job.
    if (finished_ || is_dropping())
      check_open();
    --reserved_;
    add(std::move(x), wakes);
    grows = must_grow();
    if (grows)
      number = take_number();
  } catch (...) {
    return_reservation();
    throw;
  }
  if (grows)
    grow(number);
}

void pool_core::add(job_ptr x, wake_list& wakes) {
  jobs_.push(std::move(x));
  ++stats_.submitted;
  update_hint();
  wake_worker(wakes);
}

void pool_core::tell_submitters(wake_list& wakes) {
  // Not for each place: whoever is woken is to find something to do.
  if (submitters_waiting_ != 0 && jobs_.size() <= options_.backlog / 2)
    waiting_.wake_all(wakes);
}

// -- workers ------------------------------------------------------------------

bool pool_core::must_grow() const noexcept {
  // A worker that has retired keeps its number until it has gone.
  return !closing_ && !free_numbers_.empty()
         && jobs_.size() > coming_ + idle_.size();
}

std::size_t pool_core::take_number() {
  const auto result = free_numbers_.back();
  free_numbers_.pop_back();
  ++seats_;
  ++coming_;
  return result;
}

void pool_core::start_worker(std::size_t number) {
  using made_from = std::shared_ptr<pool_seat>;
  auto seat = std::make_shared<pool_seat>(shared_from_this(), number);
  auto recipe = std::make_unique<
    detail::constructing_recipe<pool_slot, std::string, made_from>>(
    std::in_place, name_ + " worker " + std::to_string(number + 1),
    std::move(seat));
  if (results_)
    recipe->buffers.push_back(results_);
  auto made = env_->prepare_here(true, std::move(recipe));
  const auto record = detail::record_of(made);
  made.start();
  std::vector<runner> gone; // without the lock
  bool is_late = false;
  {
    const guard lock{mutex_};
    const auto dead = std::partition(
      runners_.begin(), runners_.end(),
      [](const runner& x) { return x.is_alive(); });
    gone.assign(std::make_move_iterator(dead),
                std::make_move_iterator(runners_.end()));
    runners_.erase(dead, runners_.end());
    runners_.push_back(std::move(made));
    is_late = finished_;
  }
  if (is_late)
    record->owner->stop(*record);
}

void pool_core::grow(std::size_t number) {
  try {
    start_worker(number);
  } catch (const std::exception& error) {
    {
      const guard lock{mutex_};
      if (std::exchange(said_no_growth_, true))
        return;
    }
    log(log_level::warning, logger,
        "pool '" + name_
          + "': could not start one more worker: " + error.what());
  }
}

runner pool_core::make_worker(const std::string& name) const {
  auto result = env_->prepare(
    true,
    std::make_unique<detail::constructing_recipe<pool_worker, std::string>>(
      std::in_place, name),
    nullptr);
  detail::record_of(result)->takes_errors = true;
  return result;
}

void pool_core::enlist(pool_seat& x, task& where, detail::job_ptr look) {
  wake_list wakes;
  const guard lock{mutex_};
  x.where_ = &where;
  x.look_ = std::move(look);
  where.give(x.look_, wakes);
}

void pool_core::become(pool_seat& x, state next) {
  switch (x.state_) {
  case state::coming:
    --coming_;
    break;
  case state::running:
    --running_;
    break;
  case state::idle:
    std::erase(idle_, &x);
    break;
  case state::retired:
    break;
  }
  x.state_ = next;
  switch (next) {
  case state::coming:
    ++coming_;
    break;
  case state::running:
    ++running_;
    break;
  case state::idle:
    idle_.push_back(&x);
    break;
  case state::retired:
    break;
  }
}

void pool_core::wake_worker(wake_list& wakes) {
  // Those who are coming find what waits.
  if (idle_.empty() || jobs_.size() <= coming_)
    return;
  auto& x = *idle_.back();
  become(x, state::coming);
  // One that is ending takes no more: another one is woken when it has gone.
  x.where_->give(x.look_, wakes);
}

void pool_core::collect(pool_seat& x) noexcept {
  const auto counted = std::exchange(x.counted, {});
  stats_.completed += counted.completed;
  stats_.failed += counted.failed;
  stats_.cancelled += counted.cancelled;
  stats_.dropped += counted.dropped;
  stats_.retried += counted.retried;
  stats_.lost_workers += counted.lost_workers;
}

void pool_core::update_hint() noexcept {
  queued_hint_.store(jobs_.size(), std::memory_order_relaxed);
}

std::size_t pool_core::take(pool_seat& x, detail::pool_job** to,
                            std::size_t most) {
  std::size_t count = 0;
  bool ends = false;
  {
    wake_list wakes;
    const guard lock{mutex_};
    collect(x);
    if (jobs_.size() != 0) {
      become(x, state::running);
      count = 1;
      if (idle_.empty() && coming_ == 0)
        count = std::clamp<std::size_t>(jobs_.size() / seats_, 1, most);
      for (std::size_t i = 0; i != count; ++i)
        to[i] = jobs_.pop();
      // Within the lock: whoever finds no jobs looks there next.
      if (count > 1)
        queues_[x.number_].fill(to + 1, count - 1, read_cycles());
      update_hint();
      wake_worker(wakes);
    } else {
      become(x, state::coming);
      ends = finish_if_done(wakes);
    }
    tell_submitters(wakes);
  }
  if (ends)
    end_workers();
  return count;
}

detail::pool_job* pool_core::take_late(const pool_seat& x,
                                       cycles now) noexcept {
  const auto all = queues_.size();
  for (std::size_t i = 1; i <= std::min(neighbours, all - 1); ++i) {
    auto& from = queues_[(x.number_ + i) % all];
    if (from.is_older_than(now - late_time))
      if (auto* taken = from.pop())
        return taken;
  }
  return nullptr;
}

detail::pool_job* pool_core::take_over(pool_seat& x) {
  // Nobody takes several jobs while this one is on its way: one look is enough.
  const auto found = std::find_if(
    queues_.begin(), queues_.end(),
    [](const run_queue& queue) { return !queue.empty(); });
  if (found == queues_.end())
    return nullptr;
  {
    const guard lock{mutex_};
    become(x, state::running);
  }
  for (auto& queue : queues_)
    if (auto* taken = queue.pop())
      return taken;
  bool ends = false;
  {
    wake_list wakes;
    const guard lock{mutex_};
    become(x, state::coming);
    ends = finish_if_done(wakes);
  }
  if (ends)
    end_workers();
  return nullptr;
}

bool pool_core::go_idle(pool_seat& x) {
  const guard lock{mutex_};
  if (jobs_.size() != 0)
    return false;
  become(x, state::idle);
  return true;
}

bool pool_core::may_retire(pool_seat& x) {
  const guard lock{mutex_};
  if (x.state_ != state::idle || seats_ <= options_.workers || closing_)
    return false;
  become(x, state::retired);
  --seats_;
  return true;
}

bool pool_core::is_grown() const {
  const guard lock{mutex_};
  return seats_ > options_.workers;
}

void pool_core::leave(pool_seat& x) noexcept {
  job_list unbegun;
  bool holds_results = false;
  bool ends = false;
  bool is_last = false;
  {
    wake_list wakes;
    const guard lock{mutex_};
    collect(x);
    free_numbers_.push_back(x.number_);
    const bool expected = x.state_ == state::retired || finished_;
    if (x.state_ != state::retired) {
      become(x, state::retired);
      --seats_;
    }
    if (!expected && (x.where_ || seats_ == 0))
      close_because(x.where_ ? was_abandoned : had_no_worker, wakes);
    is_last = seats_ == 0 && closing_;
    if (is_last) {
      unbegun.swap(jobs_);
      update_hint();
      holds_results = std::exchange(holds_results_, false);
      finished_ = true;
    } else {
      // It may have been woken for nothing.
      wake_worker(wakes);
      ends = finish_if_done(wakes);
    }
  }
  try {
    drop_all(unbegun);
    if (holds_results)
      results_->queue()->complete_token();
    if (ends)
      end_workers();
  } catch (const std::exception& error) {
    log(log_level::error, logger,
        "pool '" + name_ + "': could not be ended in order: " + error.what());
  }
  if (is_last) {
    wake_list wakes;
    const guard lock{mutex_};
    ended_ = true;
    waiting_.wake_all(wakes);
  }
}

// -- the end ------------------------------------------------------------------

void pool_core::close_because(std::string_view why, wake_list& wakes) {
  if (closing_)
    return;
  closing_ = true;
  why_closed_ = why;
  waiting_.wake_all(wakes);
}

bool pool_core::finish_if_done(wake_list& wakes) {
  if (!closing_ || finished_ || jobs_.size() != 0 || running_ != 0
      || reserved_ != 0)
    return false;
  finished_ = true;
  waiting_.wake_all(wakes);
  return true;
}

void pool_core::end_workers() {
  std::vector<std::shared_ptr<run_record>> workers;
  bool holds_results = false;
  {
    const guard lock{mutex_};
    holds_results = std::exchange(holds_results_, false);
    for (auto& x : runners_)
      workers.push_back(detail::record_of(x));
  }
  for (auto& x : workers)
    x->owner->stop(*x);
  // Their own publishers keep the stream open until they have gone.
  if (holds_results)
    results_->queue()->complete_token();
}

void pool_core::close() {
  bool ends = false;
  {
    wake_list wakes;
    const guard lock{mutex_};
    close_because(was_closed, wakes);
    ends = finish_if_done(wakes);
  }
  if (ends)
    end_workers();
}

void pool_core::stop() {
  job_list unbegun;
  bool ends = false;
  {
    wake_list wakes;
    const guard lock{mutex_};
    close_because(was_stopped, wakes);
    dropping_ = true;
    unbegun.swap(jobs_);
    update_hint();
    ends = finish_if_done(wakes);
  }
  drop_all(unbegun);
  if (ends)
    end_workers();
}

void pool_core::results_closed() {
  wake_list wakes;
  const guard lock{mutex_};
  close_because("its results buffer '" + results_->queue()->name()
                  + "' takes no more",
                wakes);
}

bool pool_core::drop(detail::pool_job& x) const {
  auto& ticket = x.ticket();
  if (!ticket.begin())
    return false; // cancelled
  std::string why;
  {
    const guard lock{mutex_};
    why = why_closed_.empty() ? std::string{was_abandoned} : why_closed_;
  }
  ticket.settle(failure{std::make_exception_ptr(
    pool_closed{"pool '" + name_ + "': job '" + ticket.method().name
                + "' was not done: " + why})});
  return true;
}

void pool_core::drop_all(job_list& jobs) {
  std::uint64_t dropped = 0;
  std::uint64_t cancelled = 0;
  while (auto* next = jobs.pop()) {
    const auto x = job_list::own(*next);
    ++(drop(*x) ? dropped : cancelled);
    static_cast<void>(x->ticket().error()); // said below, for all of them
  }
  if (dropped == 0 && cancelled == 0)
    return;
  {
    const guard lock{mutex_};
    stats_.dropped += dropped;
    stats_.cancelled += cancelled;
  }
  if (dropped != 0)
    log(log_level::warning, logger,
        "pool '" + name_ + "': " + std::to_string(dropped)
          + " job(s) that waited were not done");
}

bool pool_core::wait_until_ended(time_point deadline) {
  std::vector<std::shared_ptr<run_record>> workers;
  {
    guard lock{mutex_};
    if (!waiting_.wait(lock, deadline, "pool '" + name_ + "'",
                       [this] { return ended_; }))
      return false;
    for (auto& x : runners_)
      workers.push_back(detail::record_of(x));
  }
  return std::all_of(workers.begin(), workers.end(), [&](const auto& x) {
    return x->owner->wait_until_ended(*x, deadline);
  });
}

void pool_core::let_go() noexcept {
  const auto* running = party::current();
  const bool may_wait = !running || running->may_wait();
  bool has_ended = false;
  try {
    close();
    has_ended = options_.drain.count() != 0 && may_wait
                && wait_until_ended(deadline_after(options_.drain));
  } catch (const stopped&) {
    // The dedicated runnable that owns the pool is being stopped itself.
  } catch (const std::exception& error) {
    log(log_level::error, logger,
        "pool '" + name_ + "': could not be waited for: " + error.what());
  }
  if (!has_ended) {
    gives_up_ = true;
    stop();
  }
  std::vector<runner> workers; // end without the lock
  {
    const guard lock{mutex_};
    workers.swap(runners_);
  }
}

} // namespace puma::internal
