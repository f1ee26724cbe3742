// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/start_worker.hpp"

#include "puma/environments/internal/shared_arena.hpp"
#include "puma/logging/internal/log_hub.hpp"

#include <algorithm>
#include <thread>
#include <utility>

#include <unistd.h>

namespace puma::internal {

pid_t start_worker(launcher& by, worker_options how, int control,
                   const std::string& name, bool capture_output,
                   launcher::exit_handler on_exit) {
  auto& log_lines = log_hub::instance();
  const auto intake = log_lines.add_process(name, capture_output);
  const auto close_theirs = [&] {
    for (const int descriptor : {intake.output, intake.errors})
      if (descriptor >= 0)
        ::close(descriptor);
  };
  try {
    how.name = intake.name;
    const auto pid = by.start(how.arguments(),
                              {{control, intake.queue, intake.wake,
                                shared_arena::instance().descriptor()},
                               intake.output,
                               intake.errors},
                              [key = intake.key, on_exit = std::move(on_exit)](
                                const process_exit& end) {
                                // First, so that its last lines come before
                                // those about its end.
                                log_hub::instance().process_ended(key);
                                on_exit(end);
                              });
    close_theirs();
    log_lines.process_started(intake.key, pid);
    return pid;
  } catch (...) {
    close_theirs();
    log_lines.process_ended(intake.key);
    throw;
  }
}

std::size_t worker_threads(std::size_t wanted, bool is_shared) noexcept {
  if (wanted != 0)
    return wanted;
  return is_shared ? std::max(std::thread::hardware_concurrency(), 1u) : 1;
}

} // namespace puma::internal
