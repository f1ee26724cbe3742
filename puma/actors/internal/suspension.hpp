// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/buffers/internal/queue.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace puma::internal {

/// The value that a runnable had in hand when it failed; it is the first one in
/// its queue again.
struct value_in_hand {
  std::shared_ptr<queue> source;
  std::uint64_t handled_before = 0; ///< From that queue, by this instance.
};

/// A stream that is kept open, with a token, between two instances of one
/// runnable.
struct held_stream {
  std::shared_ptr<queue> to;
  bool published = false; ///< The last instance had a publisher.

  /// The successor is there, and publishes to it or does not.
  void hand_on(bool publishes) const;

  /// There is no successor. Returns whether the error reaches anyone.
  bool end(const failure* error) const;
};

/// What a runnable leaves behind when it ends in order to be restarted.
struct suspension {
  std::optional<failure> error; ///< Nothing if it was asked to.
  std::vector<held_stream> held;
  std::optional<value_in_hand> value; ///< If it is to be tried again.
};

/// When a runnable leaves its streams open at its end, for a successor.
struct restart_terms {
  bool on_failure = false;
  bool on_own_stop = false;
  bool keeps_values = false; // the value in hand may be tried again
};

} // namespace puma::internal
