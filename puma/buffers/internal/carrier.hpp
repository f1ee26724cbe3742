// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace puma::internal {

class port;

/// Numbers a process within one runtime: 0 is the owner, workers count from 1.
/// No number is used twice. The upper bits number the host, 0 being the
/// owner's.
using node_id = std::uint32_t;

inline constexpr unsigned int host_shift = 24;

/// Hosts beside the owner's that one runtime can have.
inline constexpr node_id most_hosts = (node_id{1} << (32 - host_shift)) - 1;

[[nodiscard]] constexpr node_id host_of(node_id x) noexcept {
  return x >> host_shift;
}

/// Returns the number that it has among the processes of its host.
[[nodiscard]] constexpr node_id number_of(node_id x) noexcept {
  return x & ((node_id{1} << host_shift) - 1);
}

inline constexpr node_id owner_node = 0;

/// Numbers a buffer that several processes share; given by the owner.
using buffer_id = std::uint64_t;

/// What links say to each other. Those to the seat come from processes where
/// publishers are, the others are the seat's answers.
enum class link_frame : std::uint8_t {
  open,     ///< To the seat: `open_head`; publishers or tokens are here.
  piece,    ///< To the seat: part of the values that follow.
  values,   ///< To the seat: `values_head`, then encoded values.
  close,    ///< To the seat: `close_head`, then a failure if there is one.
  returned, ///< To the seat: `returned_head`.
  mark,     ///< To the seat: `mark_head`; no more until the seat has moved.
  ship,     ///< From the old seat to the new one: `ship_head`, then a failure.
  grant,    ///< From the seat: `grant_head`.
  recall, ///< From the seat: `open_head`; others need the places that you have.
  ended,  ///< From the seat: the stream is over; a failure, if there is one.
  relay_piece, ///< To a relayed subscription: part of the values that follow.
  relay,       ///< To a relayed subscription: `relay_head`, then values.
  relay_end,   ///< To one: `relay_head`; the stream is over; a failure or none.
  relay_ack,   ///< From one: `relay_ack_head`.
};

/// Heads `link_frame::open`.
struct open_head {
  std::uint64_t opening; ///< Tells one link from the next between the same two.
};

/// Heads `link_frame::values`.
struct values_head {
  std::uint64_t sequence; ///< Counts the batches of this link, from 0.
  std::uint32_t count;    ///< Values in this batch.
  std::uint32_t beyond;   ///< Those among them for which no place was lent.
};

/// Heads `link_frame::close`.
struct close_head {
  std::uint8_t completed; ///< Whether a publisher has completed.
  std::uint8_t failed;    ///< Whether one has failed: that ends the stream.
  std::uint8_t withdrew;  ///< Whether one never came about, with an error.
};

/// Heads `link_frame::grant`.
struct grant_head {
  std::uint64_t opening; ///< Of the link that it is for.
  std::uint64_t places;  ///< Lent in addition.
  std::uint64_t bytes;   ///< Received so far.
};

/// Heads `link_frame::returned`.
struct returned_head {
  std::uint64_t places; ///< Those that are not needed.
};

/// Heads `link_frame::mark`.
struct mark_head {
  std::uint64_t epoch;  ///< Of the move.
  std::uint8_t to_open; ///< Whether another link will be opened after it.
};

/// Heads `link_frame::ship`, which comes after the values.
struct ship_head {
  std::uint64_t epoch;
  std::uint8_t completed; ///< Whether a publisher has completed.
  std::uint8_t ending;    ///< 0 open, 1 completed, 2 failed.
};

/// Heads `link_frame::relay` and `link_frame::relay_end`.
struct relay_head {
  std::uint64_t number; ///< Of the subscription.
  std::uint64_t count;  ///< Values in this batch.
};

/// Heads `link_frame::relay_ack`. Counts from the begin of the subscription.
struct relay_ack_head {
  std::uint64_t number;   ///< Of the subscription.
  std::uint64_t consumed; ///< Their places are free.
  std::uint64_t safe;     ///< What they led to has arrived where it goes.
};

/// Carries frames of links to one other process, in order, without loss while
/// it lives. This is all that a link knows of what connects two processes.
///
/// *Threads.* All functions may be called from any thread; frames of one thread
/// keep their order.
class carrier {
 public:
  [[nodiscard]] virtual node_id peer() const noexcept = 0;

  /// Sends a frame. Never waits: what cannot go at once is kept, so ask
  /// `is_congested` before making more. Does nothing once the carrier is lost.
  ///
  /// What is kept of a large `body` is not copied if it belongs to `keep`,
  /// which must not change until nobody else refers to it.
  virtual void
  send(link_frame what, buffer_id to, std::span<const std::byte> head,
       std::span<const std::byte> body,
       const std::shared_ptr<const encoder>& keep = nullptr) noexcept = 0;

  /// Returns whether more than a little is waiting to be sent. If so, `who` is
  /// told once, by `wake::data`, when that is over.
  virtual bool is_congested(const std::shared_ptr<port>& who) = 0;

 protected:
  ~carrier() = default;
};

using carrier_ptr = std::shared_ptr<carrier>;

} // namespace puma::internal
