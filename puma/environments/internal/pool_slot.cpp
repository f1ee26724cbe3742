// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/pool_slot.hpp"

#include "puma/actors/internal/registry.hpp"
#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/cycles.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/logging/log.hpp"

#include <array>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.pools";

/// Jobs that take less are taken several at a time.
constexpr auto short_time = about_microseconds(5);

/// How often a worker that found nothing lets others run, and looks again,
/// before it sleeps.
constexpr int most_looks = 8;

/// Makes a worker look for jobs.
class look final : public detail::scope_job {
 public:
  explicit look(pool_slot& who) noexcept : who_(who) {}

  [[nodiscard]] const char* activity() const noexcept override {
    return "look for jobs";
  }

  void run(task&) override { who_.look_for_jobs(); }

  bool drop(const std::string&) noexcept override { return false; }

 private:
  pool_slot& who_;
};

/// One attempt to have a job done by another process: the job itself may need
/// several.
class attempt final : public detail::call_core {
 public:
  explicit attempt(detail::pool_job_ptr x)
    : call_core(x->ticket().method(), mode::answered),
      job_(std::move(x)) {}

  /// What the job's function threw.
  std::optional<failure> thrown;

  [[nodiscard]] std::string obstacle() const override {
    return job_->ticket().obstacle();
  }

  [[nodiscard]] std::optional<detail::crossing_key>
  encode_arguments(encoder& to) const override {
    return job_->ticket().encode_arguments(to);
  }

  void encode_result(encoder&) const override {
    // It is made elsewhere.
  }

  void decode_result(decoder& from) override {
    thrown = detail::decode_outcome(from, *job_);
  }

 protected:
  void execute(task& where) override {
    throw puma::error{where.describe() + ": is no process of its own"};
  }

 private:
  const detail::pool_job_ptr job_;
};

/// Whether that says that the worker is gone. What jobs throw is no error of
/// the call.
bool is_loss(const failure& error) {
  try {
    error.rethrow();
  } catch (const runnable_ended&) {
    return true;
  } catch (const process_lost&) {
    return true;
  } catch (...) {
    return false;
  }
}

} // namespace

pool_worker::pool_worker(std::string name)
  : command_driven_runnable(std::move(name)) {}

pool_slot::pool_slot(std::string name, std::shared_ptr<pool_seat> seat)
  : command_driven_runnable(std::move(name)),
    seat_(std::move(seat)),
    pool_(seat_->pool()) {
  if (pool_.results())
    results_ = detail::open_outlet(*pool_.results(), {});
}

pool_slot::~pool_slot() = default;

void pool_slot::on_start() {
  const auto& options = pool_.options();
  if (options.max_workers > options.workers) {
    set_tick_interval(options.idle_time);
    resume_ticks();
    ticks_ = true;
  }
  if (!pool_.is_local()) {
    try {
      start_worker(); // while others start theirs
    } catch (const std::exception& error) {
      log().warning(
        "could not start a process, and tries again with the first "
        "job: {}",
        error.what());
    }
  }
  pool_.enlist(*seat_, host(), std::make_shared<look>(*this));
}

void pool_slot::on_tick(std::chrono::steady_clock::time_point) {
  if (std::exchange(has_run_, false))
    return;
  if (pool_.may_retire(*seat_)) {
    stop();
  } else if (!pool_.is_grown()) {
    pause_ticks();
    ticks_ = false;
  }
}

void pool_slot::look_for_jobs() {
  const auto& options = pool_.options();
  if (!ticks_ && options.max_workers > options.workers) {
    resume_ticks();
    ticks_ = true;
  }
  has_run_ = true;
  std::array<detail::pool_job*, run_queue::capacity> taken{};
  // A drain lets it go on until there are no more jobs.
  while (!host().is_told_to_stop()) {
    const auto most = jobs_are_short_ ? taken.size() : 1;
    if (const auto count = pool_.take(*seat_, taken.data(), most)) {
      do_jobs(taken.data(), count);
      while (auto* late = pool_.take_late(*seat_, read_cycles()))
        do_job(*late);
    } else if (auto* waiting = pool_.take_over(*seat_)) {
      do_job(*waiting);
    } else if (!search() && pool_.go_idle(*seat_)) {
      return;
    }
  }
}

bool pool_slot::search() {
  if (wait_driver::of_this_thread())
    return false;
  for (int i = 0; i != most_looks; ++i) {
    if (pool_.has_jobs())
      return true;
    std::this_thread::yield();
  }
  return false;
}

void pool_slot::do_jobs(detail::pool_job** jobs, std::size_t count) {
  const auto begin = read_cycles();
  auto& waiting = pool_.queue_of(*seat_);
  do_job(*jobs[0]);
  cycles done = 1;
  if (count > 1)
    while (auto* x = waiting.pop()) {
      do_job(*x);
      ++done;
    }
  jobs_are_short_ = (read_cycles() - begin) / done < short_time;
}

void pool_slot::do_job(detail::pool_job& taken) {
  const auto x = job_list::own(taken);
  auto& ticket = x->ticket();
  auto& counted = seat_->counted;
  if (pool_.is_dropping() || host().is_told_to_stop()) {
    ++(pool_.drop(*x) ? counted.dropped : counted.cancelled);
    return;
  }
  if (!ticket.begin()) {
    ++counted.cancelled;
    return;
  }
  host().set_activity(ticket.method().activity.c_str());
  try {
    if (pool_.is_local())
      x->perform();
    else
      perform(x);
    if (results_)
      deliver(*x);
    ticket.settle();
    ++counted.completed;
  } catch (...) {
    auto error = host().ending_here();
    if (!error) {
      if (has_worker_ && pool_.gives_up()) {
        const auto record = detail::record_of(worker_);
        record->starter->give_up(record, "did not end with its pool");
      }
      error.emplace(
        std::make_exception_ptr(pool_closed{
          "pool '" + pool_.name() + "': job '" + ticket.method().name
          + "' was given up: the worker was told to stop"}),
        name(), ticket.method().activity);
    }
    ticket.settle(*error);
    ++counted.failed;
  }
}

void pool_slot::deliver(detail::pool_job& x) {
  if (x.deliver(results_.get()) != publish_result::closed)
    return;
  pool_.results_closed();
  throw pool_closed{"pool '" + pool_.name() + "': the result of job '"
                    + x.ticket().method().name
                    + "' is lost, because the buffer for it takes no more"};
}

// -- worker processes ---------------------------------------------------------

void pool_slot::start_worker() {
  worker_ = pool_.make_worker(pool_.name() + " process "
                              + std::to_string(seat_->number() + 1));
  has_worker_ = true;
  worker_.start();
}

void pool_slot::wait_for_worker() {
  if (has_worker_ && !worker_.is_alive()) {
    const auto why = lose_worker();
    puma::log(log_level::warning, logger,
              name() + ": its process was lost while it had nothing to do: "
                + why.describe());
  }
  if (!has_worker_)
    start_worker();
  const auto record = detail::record_of(worker_);
  record->owner->wait_until_running(*record, no_deadline);
  if (auto error = worker_.last_failure()) {
    lose_worker();
    error->rethrow();
  }
}

failure pool_slot::lose_worker() {
  ++seat_->counted.lost_workers;
  const auto record = detail::record_of(worker_);
  record->owner->stop(*record);
  record->owner->wait_for_teardown(*record);
  const auto why = worker_.last_failure();
  worker_ = runner{};
  has_worker_ = false;
  return why ? *why
             : failure{std::make_exception_ptr(
               process_lost{"the worker ended without an error"})};
}

void pool_slot::perform(const detail::pool_job_ptr& x) {
  for (unsigned lost = 0;;) {
    try {
      wait_for_worker();
    } catch (const process_lost&) {
      // While it started: the job has not begun.
      if (lost++ == pool_.options().retries)
        throw;
      continue;
    }
    const auto call = std::make_shared<attempt>(x);
    const auto record = detail::record_of(worker_);
    record->owner->send(*record, call);
    call->wait(no_deadline);
    const auto* error = call->error();
    if (!error) {
      if (call->thrown)
        call->thrown->rethrow();
      return;
    }
    if (!is_loss(*error))
      error->rethrow();
    const auto why = lose_worker();
    const auto& what = x->ticket().method();
    if (lost++ == pool_.options().retries)
      failure{
        std::make_exception_ptr(process_lost{
          "pool '" + pool_.name() + "': job '" + what.name
          + "' was lost with its worker"
          + (lost > 1 ? ", after " + std::to_string(lost) + " attempts" : "")
          + ": " + std::string{why.text()}}),
        name(), what.activity, why}
        .rethrow();
    ++seat_->counted.retried;
    puma::log(log_level::warning, logger,
              name() + ": " + what.activity
                + " is tried again, because its process was lost: "
                + why.describe());
  }
}

} // namespace puma::internal
