// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/idle_poller.hpp"
#include "puma/base/internal/cycles.hpp"
#include "puma/base/internal/job_ring.hpp"
#include "puma/base/internal/sleepers.hpp"
#include "puma/base/internal/waker.hpp"

#include <caf/logger.hpp>
#include <caf/policy/unprofiled.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace puma::internal {

/// How the running thread's next enqueue is meant; see `urgency`.
urgency& enqueue_urgency() noexcept;

/// While it lives, runnables that this thread wakes go to the queue of `unit`,
/// and nobody else is notified.
class enqueue_here {
 public:
  explicit enqueue_here(caf::execution_unit* unit) noexcept;

  enqueue_here(const enqueue_here&) = delete;
  enqueue_here& operator=(const enqueue_here&) = delete;

  ~enqueue_here();

 private:
  caf::execution_unit* outer_;
};

/// Scheduling policy for CAF's coordinator: workers steal work, and park when
/// there is none.
///
/// CAF's own stealing policy lets idle workers sleep between polls, which costs
/// latency and idle CPU time; its sharing policy has one lock for all. Here a
/// worker without work looks out for jobs from other threads for a moment,
/// announces itself as a sleeper, looks once more at all queues, and sleeps in
/// the kernel until somebody notifies it.
///
/// *Locality.* A job enqueued by a running job goes to the head of the own
/// queue, where its data is still in the cache. To hand it to another core
/// costs more than a short slice is worth. So a sleeper is notified only if the
/// running job goes on for longer (`urgency::at_once`). What is enqueued as the
/// last act of a slice stays with its worker, which is about to run it.
///
/// *No job waits for long* behind others while a worker has nothing to do. As
/// long as some worker is busy, one of those without work only dozes: it looks
/// around every `doze_time`, and takes a job from a worker whose jobs are long
/// or many. A worker that leaves jobs in its queue while nobody dozes wakes
/// someone who does. To look around disturbs who works: while there is nothing
/// to take, it happens less and less often.
///
/// *Other processes.* A worker that looks out polls what comes in from them,
/// and goes on to do so between jobs: see `idle_poller`.
class parking_policy : public caf::policy::unprofiled {
 public:
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}

    job_ring<caf::resumable> injected;
    sleepers idle;
    std::atomic<std::uint32_t> active{0};
    std::atomic<bool> somebody_dozes{false};
    std::atomic<bool> somebody_looks{false};
    std::atomic<bool> looker_polls{false}; // which may take a while
    std::atomic<std::uint32_t> doze_factor{1};

    /// To be called once at most.
    void set_poller(std::shared_ptr<idle_poller> x) {
      owned_poller = std::move(x);
      poller.store(owned_poller.get(), std::memory_order_release);
    }

    std::shared_ptr<idle_poller> owned_poller; // lives as long as the workers
    std::atomic<idle_poller*> poller{nullptr};
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}

    worker_data(const worker_data&) {}

    job_ring<caf::resumable> queue;
    // Jobs begun so far; tells other workers how fast this one gets on.
    std::atomic<std::uint32_t> turns{0};
    // The job at the head of the queue should not wait for this worker.
    std::atomic<bool> urgent{false};
    // The turns of others, as seen before the last doze.
    std::vector<std::uint32_t> seen;
    cycles last_poll = 0;
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    auto& all = d(self);
    all.injected.push_back(job);
    // A worker that looks for it finds it without being woken: before it
    // sleeps, it looks once more.
    if (!all.somebody_looks.load(std::memory_order_seq_cst)
        || all.looker_polls.load(std::memory_order_seq_cst))
      all.idle.notify_one();
  }

  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    d(self).queue.push_back(job);
    d(self->parent()).idle.notify_all();
  }

  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    d(self).queue.push_front(job);
    if (enqueue_urgency() == urgency::at_once) {
      d(self).urgent.store(true, std::memory_order_relaxed);
      d(self->parent()).idle.notify_one();
    }
  }

  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    d(self).queue.push_back(job);
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    auto& own = d(self);
    const auto turn = own.turns.load(std::memory_order_relaxed);
    if (own.seen.empty())
      begin(self);
    poll_between(self);
    auto* job = find_own(self, turn);
    if (!job)
      job = find_elsewhere(self);
    own.turns.store(turn + 1, std::memory_order_relaxed);
    // What waits behind this job must not depend on how long it takes.
    auto& all = d(self->parent());
    if ((own.queue.size() != 0 || all.injected.size() != 0)
        && !all.somebody_dozes.load(std::memory_order_relaxed))
      all.idle.notify_one();
    return job;
  }

  template <class Worker, class F>
  void foreach_resumable(Worker* self, F f) {
    while (auto* job = d(self).queue.pop_front())
      f(job);
  }

  template <class Coordinator, class F>
  void foreach_central_resumable(Coordinator* self, F f) {
    while (auto* job = d(self).injected.pop_front())
      f(job);
  }

 private:
  /// Every so often the oldest job goes first, lest newer ones keep it waiting.
  static constexpr std::uint32_t fair_turn = 32;

  /// To sleep and be notified costs more than this on both sides.
  static constexpr cycles look_time = about_microseconds(15);

  /// Others who have a time slice of their own take at least this.
  static constexpr cycles crowd_time = about_microseconds(500);

  /// Between jobs.
  static constexpr cycles poll_interval = about_microseconds(5);

  static constexpr std::chrono::microseconds doze_time{200};
  static constexpr std::uint32_t most_doze_factor = 8;

  /// Jobs are long if a worker begins at most so many in `doze_time`, and many
  /// if so many wait. Shorter and fewer ones are better left together.
  static constexpr std::uint32_t few_turns = 4;
  static constexpr std::size_t many_jobs = 8;

  template <class Worker>
  void begin(Worker* self) {
    // CAF's logger is compiled out, save for a lock around the name of the
    // running actor, which nobody will ask for.
    caf::logger::set_current_actor_system(nullptr);
    d(self->parent()).active.fetch_add(1, std::memory_order_relaxed);
    d(self).seen.resize(self->parent()->num_workers());
  }

  template <class Worker>
  caf::resumable* find_own(Worker* self, std::uint32_t turn) {
    auto& own = d(self);
    auto& injected = d(self->parent()).injected;
    if (turn % fair_turn == 0) {
      if (auto* job = injected.pop_front())
        return job;
      if (auto* job = own.queue.pop_back())
        return job;
    }
    if (auto* job = own.queue.pop_front()) {
      own.urgent.store(false, std::memory_order_relaxed);
      return job;
    }
    return injected.pop_front();
  }

  /// Waits for work.
  template <class Worker>
  caf::resumable* find_elsewhere(Worker* self) {
    auto& all = d(self->parent());
    all.active.fetch_sub(1, std::memory_order_relaxed);
    auto* job = look_out(self);
    bool rested = false; // the turns seen are those of a whole doze ago
    while (!job) {
      all.idle.announce(self->id());
      const bool doze = all.active.load(std::memory_order_relaxed) != 0
                        && !all.somebody_dozes.exchange(true);
      auto factor = all.doze_factor.load(std::memory_order_relaxed);
      job = find_own(self, 1);
      if (!job)
        job = steal(self, rested ? factor * few_turns + 1 : 0);
      if (rested) {
        factor = job ? 1 : std::min(2 * factor, most_doze_factor);
        all.doze_factor.store(factor, std::memory_order_relaxed);
      }
      note_turns(self);
      rested = doze;
      if (!job) {
        all.idle.sleep(self->id(), doze ? std::chrono::steady_clock::now()
                                            + factor * doze_time
                                        : no_deadline);
      } else if (all.idle.withdraw(self->id())) {
        all.idle.notify_one(); // it may have been meant for another job
      }
      if (doze) {
        all.somebody_dozes.store(false);
        if (job)
          all.idle.notify_one(); // somebody else may have to doze now
      }
    }
    all.active.fetch_add(1, std::memory_order_relaxed);
    return job;
  }

  /// Polls once in a while between jobs.
  template <class Worker>
  void poll_between(Worker* self) {
    auto* poller = d(self->parent()).poller.load(std::memory_order_acquire);
    if (!poller || !poller->attended())
      return;
    const auto now = read_cycles();
    if (now - d(self).last_poll < poll_interval)
      return;
    d(self).last_poll = now;
    poll(self, *poller);
  }

  template <class Worker>
  static void poll(Worker* self, idle_poller& poller) {
    const enqueue_here here{self};
    poller.poll();
  }

  /// Lets others run on this core: they may be the ones that make what is
  /// waited for. Returns false when they are so many that it is better to
  /// sleep, because the kernel prefers those who are woken.
  static bool give_way() {
    const auto before = read_cycles();
    std::this_thread::yield();
    return read_cycles() - before < crowd_time;
  }

  /// Spins for a moment, one worker at a time, without touching what busy
  /// workers use.
  template <class Worker>
  caf::resumable* look_out(Worker* self) {
    auto& all = d(self->parent());
    if (all.somebody_looks.exchange(true, std::memory_order_seq_cst))
      return nullptr;
    caf::resumable* job = nullptr;
    auto* poller = all.poller.load(std::memory_order_acquire);
    const auto polling = poller ? poller->attend() : 0;
    const auto limit = polling != 0 ? polling : look_time;
    const auto start = read_cycles();
    bool crowded = false;
    do {
      if (polling != 0)
        all.looker_polls.store(true, std::memory_order_seq_cst);
      job = all.injected.pop_front();
      if (!job && polling != 0) {
        poll(self, *poller);
        job = d(self).queue.pop_front();
        crowded = !job && !give_way();
      }
      if (polling != 0)
        all.looker_polls.store(false, std::memory_order_seq_cst);
      for (int i = 0; !job && i != 16; ++i)
        relax_cpu();
    } while (!job && !crowded && read_cycles() - start < limit);
    all.somebody_looks.store(false, std::memory_order_seq_cst);
    if (crowded)
      poller->note_crowd();
    // Whoever works is likely to poll again.
    if (!job && poller && poller->attended()
        && all.active.load(std::memory_order_relaxed) == 0)
      poller->leave();
    if (!job && polling != 0)
      poller->note_miss();
    if (job && all.injected.size() != 0)
      all.idle.notify_one();
    return job;
  }

  template <class Worker>
  void note_turns(Worker* self) {
    auto* parent = self->parent();
    for (std::size_t i = 0; i != parent->num_workers(); ++i)
      d(self).seen[i] = d(parent->worker_by_id(i))
                          .turns.load(std::memory_order_relaxed);
  }

  template <class Worker>
  caf::resumable* steal(Worker* self, std::uint32_t turn_limit) {
    auto* parent = self->parent();
    const auto n = parent->num_workers();
    for (std::size_t i = 1; i < n; ++i) {
      const auto id = (self->id() + i) % n;
      auto& victim = d(parent->worker_by_id(id));
      const auto length = victim.queue.size();
      if (length == 0)
        continue;
      if (victim.urgent.exchange(false, std::memory_order_relaxed))
        if (auto* job = victim.queue.pop_front())
          return job;
      const auto turns = victim.turns.load(std::memory_order_relaxed)
                         - d(self).seen[id];
      if (turns < turn_limit || length >= many_jobs)
        if (auto* job = victim.queue.pop_back())
          return job;
    }
    return nullptr;
  }
};

} // namespace puma::internal
