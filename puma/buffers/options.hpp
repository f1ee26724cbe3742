// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace puma {

/// What a buffer does with a value for which it has no room.
enum class overflow {
  block,       ///< The publisher waits, or its runnable gets no further values.
  fail,        ///< `publish` throws `buffer_full`; the value stays untouched.
  drop_newest, ///< The value is dropped and counted.
  drop_oldest, ///< The oldest waiting value is dropped and counted.
  latest,      ///< All waiting values are dropped and counted: only the newest
               ///< one is of interest.
};

/// What one publisher does when the buffer is full, in place of the buffer's
/// own policy.
enum class when_full {
  block,       ///< As `overflow::block`.
  fail,        ///< As `overflow::fail`.
  warn,        ///< As `drop_newest`, and says so in the log, at a limited rate.
  drop_newest, ///< As `overflow::drop_newest`.
};

/// Options of a buffer.
struct buffer_options {
  puma::overflow overflow = puma::overflow::block;

  /// Whether values that nobody took are reported as a warning when the buffer
  /// goes. They are counted either way.
  bool warn_about_leftovers = true;
};

/// Options of one publisher.
struct publish_options {
  /// Overrides the buffer's policy for this publisher.
  std::optional<puma::when_full> when_full = {};

  /// How many values a pooled runnable may publish in one hook beyond the
  /// buffer's room, before `publish` throws `buffer_full`. 0 stands for the
  /// default: one chunk of the queue (as many values as fit into 2 KiB, at most
  /// the capacity), at least 16.
  std::size_t outbox = 0;
};

/// `publish_options::outbox` of a runnable whose hooks may publish any number
/// of values for one that they get, such as `flat_map`.
inline constexpr std::size_t unlimited_outbox = static_cast<std::size_t>(-1);

/// What happened to the values of a buffer so far.
///
/// When both ends are at rest, `accepted + redelivered == taken + waiting +
/// dropped_oldest + left_over`.
struct buffer_stats {
  std::uint64_t accepted = 0;      ///< Values that entered the queue.
  std::uint64_t taken = 0;         ///< Values that left it at the other end.
  std::uint64_t waiting = 0;       ///< Values that are in it now.
  std::uint64_t failed = 0;        ///< Among those taken: in hand at a failure.
  std::uint64_t skipped = 0;       ///< Among those taken: given up on.
  std::uint64_t dead_lettered = 0; ///< Among those taken: sent elsewhere.
  std::uint64_t dropped_newest = 0; ///< Dropped at the door for lack of room.
  std::uint64_t dropped_oldest = 0; ///< Dropped to make room for newer ones.
  std::uint64_t refused = 0;        ///< Handed back with `buffer_full`.
  std::uint64_t after_end = 0;      ///< Came when the stream had ended already.
  std::uint64_t left_over = 0;      ///< Published, but behind an error.
  std::uint64_t redelivered = 0;    ///< Taken, and given to a successor again.
  std::uint64_t lost = 0;           ///< Gone with a process; an upper bound.
};

} // namespace puma
