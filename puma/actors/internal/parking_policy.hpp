// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/job_ring.hpp"
#include "puma/actors/internal/sleepers.hpp"
#include "puma/base/internal/waker.hpp"

#include <caf/policy/unprofiled.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <cstddef>
#include <cstdint>

namespace puma::internal {

/// How the running thread's next enqueue is meant; see `urgency`.
urgency& enqueue_urgency() noexcept;

/// Scheduling policy for CAF's coordinator: workers steal work, and park when
/// there is none.
///
/// CAF's own stealing policy lets idle workers sleep between polls, which costs
/// latency and idle CPU time; its sharing policy has one lock for all. Here a
/// worker without work announces itself as a sleeper, looks once more at all
/// queues, and then sleeps in the kernel until somebody notifies it.
///
/// A job enqueued by a running job goes to the head of the own queue, where its
/// data is still in the cache. A parked worker is notified of it, unless it is
/// the last act of that job, for then this worker is about to run it itself.
/// So whenever a worker starts a job while others wait in its queue, a
/// parked worker has been told of them.
class parking_policy : public caf::policy::unprofiled {
 public:
  struct coordinator_data {
    explicit coordinator_data(caf::scheduler::abstract_coordinator*) {}

    job_ring<caf::resumable> injected;
    sleepers idle;
  };

  struct worker_data {
    explicit worker_data(caf::scheduler::abstract_coordinator*) {}

    worker_data(const worker_data&) {}

    job_ring<caf::resumable> queue;
    std::uint32_t turns = 0;
  };

  template <class Coordinator>
  void central_enqueue(Coordinator* self, caf::resumable* job) {
    d(self).injected.push_back(job);
    d(self).idle.notify_one();
  }

  template <class Worker>
  void external_enqueue(Worker* self, caf::resumable* job) {
    d(self).queue.push_back(job);
    d(self->parent()).idle.notify_all();
  }

  template <class Worker>
  void internal_enqueue(Worker* self, caf::resumable* job) {
    const auto others = d(self).queue.push_front(job);
    if (enqueue_urgency() == urgency::at_once || others != 0)
      d(self->parent()).idle.notify_one();
  }

  template <class Worker>
  void resume_job_later(Worker* self, caf::resumable* job) {
    if (d(self).queue.push_back(job) != 0)
      d(self->parent()).idle.notify_one();
  }

  template <class Worker>
  caf::resumable* dequeue(Worker* self) {
    auto& idle = d(self->parent()).idle;
    for (;;) {
      if (auto* job = find_job(self))
        return job;
      const auto ticket = idle.announce();
      if (auto* job = find_job(self)) {
        idle.withdraw();
        return job;
      }
      idle.sleep(ticket);
    }
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

  template <class Worker>
  caf::resumable* find_job(Worker* self) {
    auto& own = d(self);
    auto& injected = d(self->parent()).injected;
    if (++own.turns % fair_turn == 0) {
      if (auto* job = injected.pop_front())
        return job;
      if (auto* job = own.queue.pop_back())
        return job;
    }
    if (auto* job = own.queue.pop_front())
      return job;
    if (auto* job = injected.pop_front())
      return job;
    auto* parent = self->parent();
    const auto n = parent->num_workers();
    for (std::size_t i = 1; i < n; ++i)
      if (auto* job = d(parent->worker_by_id((self->id() + i) % n))
                        .queue.pop_back())
        return job;
    return nullptr;
  }
};

} // namespace puma::internal
