// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/launcher.hpp"
#include "puma/environments/internal/worker_options.hpp"

#include <string>

#include <sys/types.h>

namespace puma::internal {

/// Starts a worker process whose lines go to the log of this process by the
/// name `name`, which shares the memory of this one, and whose control
/// connection is `control`, which stays the caller's. `on_exit` is called after
/// its last lines have come in. Returns its process id. Throws `error`.
pid_t start_worker(launcher& by, worker_options how, int control,
                   const std::string& name, bool capture_output,
                   launcher::exit_handler on_exit);

/// Returns how many scheduler threads a worker gets: `wanted`, or what suits
/// one that is or is not shared by several runnables.
[[nodiscard]] std::size_t worker_threads(std::size_t wanted,
                                         bool is_shared) noexcept;

} // namespace puma::internal
