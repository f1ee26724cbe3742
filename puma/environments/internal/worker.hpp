// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/worker_options.hpp"

namespace puma::internal {

/// Works for the owner until it says that it is over; returns the exit code.
int run_worker(const worker_options& options);

/// Notes that this executable can serve as a worker, since it has come by the
/// place where it would have become one.
void allow_workers() noexcept;

[[nodiscard]] bool workers_allowed() noexcept;

} // namespace puma::internal
