// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <sys/types.h>

namespace puma::internal {

/// Makes this process, which a `launcher` has started, a worker of `parent`:
/// it ends when the parent does, and leaves the terminal's signals to the
/// parent. Belongs first in the main thread, before there are others. Returns
/// false when the parent is gone already: then the worker is to end.
bool prepare_worker_process(pid_t parent);

} // namespace puma::internal
