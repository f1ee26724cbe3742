// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/worker_environment.hpp"

#include <chrono>
#include <cstddef>
#include <memory>

namespace puma {

/// Options of a `process_environment`.
struct process_options {
  /// Worker processes that share the runnables, in turn; 0 stands for one
  /// process per runnable, which ends with it.
  std::size_t workers = 0;

  /// Scheduler threads of each worker; 0 stands for one per core where workers
  /// are shared, and for one otherwise. (Dedicated runnables have their own.)
  std::size_t threads = 0;

  /// How long a worker may take until it answers for the first time.
  std::chrono::milliseconds start_timeout{30'000};

  /// How often workers are asked for a sign of life.
  std::chrono::milliseconds ping_interval{500};

  /// A worker that does not answer for so long is ended, and what ran there
  /// fails; 0 never does that, which helps with a debugger. Time during which
  /// this process stood still itself does not count.
  std::chrono::milliseconds answer_timeout{3'000};

  /// Whether what workers print, and what processes print that they start, is
  /// logged line by line, by the loggers `stdout` (as information) and `stderr`
  /// (as warnings). Otherwise it goes where this process's output goes.
  bool capture_output = true;
};

/// Runs runnables in processes of their own: workers, which run the same
/// executable. The program must use `puma::main`, or call `puma::run_as_worker`
/// first in its own `main`.
///
/// *What goes there.* The type of the runnable and the arguments of `run`; see
/// `docs/crossing.md` for what may cross. What cannot is a `usage_error` from
/// `run` or `make`, which names it and the way out.
///
/// *Failure.* A worker that dies or does not answer is an error of type
/// `process_lost` of each runnable in it, and of the streams that it published
/// to; its other streams end for those who publish to them.
///
/// *Lifetime.* Workers end with their runnables or with the runtime, and at the
/// latest with this process, however that ends.
class process_environment final : public worker_environment {
 public:
  /// Throws `usage_error` when this program does not use `puma::main`.
  explicit process_environment(runtime& rt, process_options options = {});

 protected:
  std::shared_ptr<const environment> share() const override;
};

} // namespace puma
