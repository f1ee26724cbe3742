// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runner.hpp"
#include "puma/base/internal/parker.hpp"
#include "puma/buffers/internal/waiting.hpp"
#include "puma/environments/internal/job_list.hpp"
#include "puma/environments/internal/run_queue.hpp"
#include "puma/environments/pool_options.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace puma {

class environment;

} // namespace puma

namespace puma::internal {

class pool_core;
class task;

/// The place of one worker in its pool. It gives the place back when it goes,
/// which is when the worker has ended, or could not be started.
class pool_seat {
 public:
  enum class state : std::uint8_t {
    coming,  ///< Is going to look for a job: started, woken or searching.
    running, ///< Has a job.
    idle,    ///< Sleeps until it is woken.
    retired, ///< Is ending, since there is too little to do.
  };

  /// What a worker has counted since it told the pool last.
  struct counts {
    std::uint64_t completed = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t dropped = 0;
    std::uint64_t retried = 0;
    std::uint64_t lost_workers = 0;
  };

  pool_seat(std::shared_ptr<pool_core> pool, std::size_t number) noexcept
    : pool_(std::move(pool)),
      number_(number) {}

  pool_seat(const pool_seat&) = delete;
  pool_seat& operator=(const pool_seat&) = delete;

  ~pool_seat();

  [[nodiscard]] pool_core& pool() const noexcept { return *pool_; }

  /// Returns its number among the workers, from 0.
  [[nodiscard]] std::size_t number() const noexcept { return number_; }

  counts counted; // of the worker alone

 private:
  friend class pool_core;

  const std::shared_ptr<pool_core> pool_;
  const std::size_t number_;
  // Guarded by the pool's mutex.
  state state_ = state::coming;
  task* where_ = nullptr; // once it has come
  detail::job_ptr look_;  // what makes it look for jobs
};

/// A pool, whatever its jobs return: the jobs that wait, and who does them.
///
/// Each worker is a dedicated runnable of this process. Where the pool's
/// environment is another process, the worker there does nothing but wait for
/// the answer of its own worker process. So backpressure, growth, results and
/// the end are the same everywhere.
///
/// Workers that have nothing to do are idle runnables, which costs nothing. One
/// is woken by a job for its inbox, which makes it look for jobs until there
/// are none. While a worker is on its way, no other one is woken for the same
/// job.
///
/// *Threads.* All functions may be called from any thread; those that take a
/// seat, by its worker.
class pool_core : public std::enable_shared_from_this<pool_core> {
 public:
  using job_ptr = detail::pool_job_ptr;

  /// `results` may be null. Throws `usage_error`.
  pool_core(std::string name, const environment& env,
            const pool_options& options, detail::buffer_core_ptr results);

  ~pool_core();

  /// Starts the first workers.
  void open();

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  [[nodiscard]] const pool_options& options() const noexcept {
    return options_;
  }

  [[nodiscard]] pool_stats stats() const;

  // -- for submitters ---------------------------------------------------------

  /// Takes a job, after it has waited for room. Throws `pool_closed`, and
  /// `usage_error` if it cannot go where the workers are, or in a pooled
  /// runnable that would have to wait.
  void submit(job_ptr x);

  /// Reserves room for a job that is made only then.
  submit_result reserve(time_point deadline);
  void return_reservation();
  void submit_reserved(job_ptr x);

  // -- the end ----------------------------------------------------------------

  /// Takes no more jobs. Those that it has are done; then the workers end.
  void close();

  /// As above, but jobs that have not begun are not done.
  void stop();

  /// Waits until all workers have ended.
  bool wait_until_ended(time_point deadline);

  /// What the owner's destructor does.
  void let_go() noexcept;

  // -- for workers ------------------------------------------------------------

  [[nodiscard]] bool is_local() const noexcept { return is_local_; }

  [[nodiscard]] const detail::buffer_core_ptr& results() const noexcept {
    return results_;
  }

  /// Returns whether jobs that have not begun are not to be done.
  [[nodiscard]] bool is_dropping() const noexcept {
    return dropping_.load(std::memory_order_relaxed);
  }

  /// Returns whether the owner waits no longer for jobs that run.
  [[nodiscard]] bool gives_up() const noexcept {
    return gives_up_.load(std::memory_order_relaxed);
  }

  /// Prepares a worker process. Its errors are not the runtime's.
  [[nodiscard]] runner make_worker(const std::string& name) const;

  /// The worker has come; `look` makes it look for jobs.
  void enlist(pool_seat& x, task& where, detail::job_ptr look);

  /// Takes up to `most` jobs, more than one only if nobody else is free to do
  /// them. If there are none, the worker is no longer `running`.
  std::size_t take(pool_seat& x, detail::pool_job** to, std::size_t most);

  /// Takes a job that another worker has had waiting for long; null if there is
  /// none. @pre `x` is running
  detail::pool_job* take_late(const pool_seat& x, cycles now) noexcept;

  /// Takes a job from another worker, if any has more than the one that it is
  /// doing. Returns null, and the worker is not running, otherwise.
  detail::pool_job* take_over(pool_seat& x);

  [[nodiscard]] run_queue& queue_of(const pool_seat& x) noexcept {
    return queues_[x.number_];
  }

  /// Returns whether a job waits, as a hint.
  [[nodiscard]] bool has_jobs() const noexcept {
    return queued_hint_.load(std::memory_order_relaxed) != 0;
  }

  /// The worker found nothing. Returns false if it had better look again.
  bool go_idle(pool_seat& x);

  /// The worker has had nothing to do. Returns whether it is to end.
  bool may_retire(pool_seat& x);

  /// Returns whether there are more workers than there always are.
  [[nodiscard]] bool is_grown() const;

  /// The results cannot be published any more: no more jobs make sense.
  void results_closed();

  /// Ends a job that is not to be begun. Returns false if it was cancelled.
  bool drop(detail::pool_job& x) const;

 private:
  friend class pool_seat;
  using guard = std::unique_lock<std::mutex>;
  using state = pool_seat::state;

  void check_can_go(detail::pool_job& x) const;
  void start_worker(std::size_t number);
  void grow(std::size_t number);
  void leave(pool_seat& x) noexcept;
  void end_workers();
  void drop_all(job_list& jobs);

  // All of the following need the mutex.
  [[nodiscard]] bool has_room() const noexcept;
  void check_open() const;
  bool wait_for_room(guard& lock, time_point deadline);
  void add(job_ptr x, wake_list& wakes);
  [[nodiscard]] bool must_grow() const noexcept;
  std::size_t take_number();
  void become(pool_seat& x, state next);
  void wake_worker(wake_list& wakes);
  void tell_submitters(wake_list& wakes);
  [[nodiscard]] bool finish_if_done(wake_list& wakes);
  void close_because(std::string_view why, wake_list& wakes);
  void collect(pool_seat& x) noexcept;
  void update_hint() noexcept;

  const std::string name_;
  const pool_options options_;
  const std::shared_ptr<const environment> env_;
  const bool is_local_;
  const detail::buffer_core_ptr results_;
  std::vector<run_queue> queues_;
  std::atomic<bool> dropping_{false};
  std::atomic<bool> gives_up_{false};
  std::atomic<std::size_t> queued_hint_{0};

  mutable std::mutex mutex_;
  waiting_list waiting_;
  std::size_t submitters_waiting_ = 0;
  job_list jobs_;
  std::size_t reserved_ = 0;
  std::size_t seats_ = 0;
  std::size_t coming_ = 0;
  std::size_t running_ = 0;
  std::vector<pool_seat*> idle_; // the last one has been idle for the least
  std::vector<std::size_t> free_numbers_;
  std::vector<runner> runners_;
  bool closing_ = false;
  std::string why_closed_;
  bool finished_ = false; // all jobs are done
  bool ended_ = false;    // all workers are gone
  bool holds_results_ = false;
  bool said_no_growth_ = false;
  pool_stats stats_;
};

} // namespace puma::internal
