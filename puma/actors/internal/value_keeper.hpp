// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/buffers/internal/queue.hpp"

#include <cstddef>
#include <vector>

namespace puma::internal {

/// Keeps a copy of the value that a hook has in hand, so that it can be tried
/// again: as bytes, because a copy constructor cannot be asked whether it
/// compiles.
class value_keeper {
 public:
  /// Throws `usage_error` when values of `source` cannot be kept.
  explicit value_keeper(const queue& source);

  void keep(const void* value);

  /// Makes the value that was kept, in uninitialised memory.
  void restore(void* to);

 private:
  const detail::value_ops& ops_;
  encoder bytes_;
};

} // namespace puma::internal
