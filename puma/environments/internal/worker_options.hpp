// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/internal/carrier.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace puma::internal {

/// What a worker process is told on its command line; everything else comes
/// over its descriptor 3.
struct worker_options {
  pid_t parent = 0;
  node_id self = 0;
  std::size_t threads = 1;
  std::string directory;       ///< Of the sockets, where it is not the owner's.
  std::string name = "worker"; ///< In log lines.

  /// Returns the arguments that make the own executable such a worker.
  [[nodiscard]] std::vector<std::string> arguments() const;

  /// Returns nothing when the command line is not that of a worker. Throws
  /// `usage_error` when it is a damaged one.
  static std::optional<worker_options> parse(int argc, const char* const* argv);
};

/// Changes with what processes say to each other.
inline constexpr int wire_version = 4;

/// Returns a text that differs between builds of an application.
const std::string& build_fingerprint();

/// The number of the descriptor that leads to the owner.
inline constexpr int worker_descriptor = 3;

/// Where it finds its log queue, and what wakes the reader of that.
inline constexpr int worker_log_queue = 4;
inline constexpr int worker_log_wake = 5;

/// Where it finds the memory that all processes share.
inline constexpr int worker_arena = 6;

} // namespace puma::internal
