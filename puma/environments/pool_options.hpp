// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace puma {

/// Options of a pool.
struct pool_options {
  /// Workers that are always there; 0 stands for one per core.
  std::size_t workers = 0;

  /// Workers when there is much to do; 0 stands for no more than `workers`. One
  /// more starts whenever a job finds no worker that is free.
  std::size_t max_workers = 0;

  /// A worker that has had nothing to do during a period of this length ends,
  /// if there are more than `workers`. Must be positive.
  std::chrono::milliseconds idle_time{10'000};

  /// Jobs that may wait for a worker, beyond those that workers have. 0 makes
  /// `submit` wait until a worker is free.
  std::size_t backlog = 256;

  /// How often a job is tried again whose worker process died. Then, and
  /// without retries, that is the job's error: `process_lost`. A job that is
  /// tried again may have been done already, in part or as a whole.
  unsigned retries = 0;

  /// What the destructor gives to jobs that were submitted. After that, jobs
  /// that still wait are not done; 0: they are not.
  std::chrono::milliseconds drain{30'000};
};

/// What happened in a pool so far. When it is at rest, `submitted` is the sum
/// of `completed`, `failed`, `cancelled` and `dropped`.
struct pool_stats {
  std::size_t workers = 0;        ///< Workers now.
  std::size_t busy = 0;           ///< Workers that are at work now.
  std::size_t waiting = 0;        ///< Jobs that wait for a worker now.
  std::uint64_t submitted = 0;    ///< Jobs that were taken.
  std::uint64_t completed = 0;    ///< Jobs that have a result.
  std::uint64_t failed = 0;       ///< Jobs that have an error of their own.
  std::uint64_t cancelled = 0;    ///< Jobs that were withdrawn in time.
  std::uint64_t dropped = 0;      ///< Jobs that were not begun: it was stopped.
  std::uint64_t retried = 0;      ///< Times that a job was tried again.
  std::uint64_t lost_workers = 0; ///< Worker processes that died.
};

/// Outcome of submitting a job without waiting, or with a time limit.
enum class submit_result {
  accepted, ///< The job is the pool's.
  full,     ///< All workers are busy, and as many jobs wait as may.
  closed,   ///< The pool takes no more jobs.
};

} // namespace puma
