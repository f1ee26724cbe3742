// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/buffers/internal/port.hpp"

#include <cstring>
#include <deque>
#include <span>
#include <utility>
#include <vector>

/// What the source files of `port` share.
namespace puma::internal {

/// What a link may have sent that the subscription has not consumed: bounds
/// what large values take at the seat, where the capacity alone would allow
/// much. Two batches may always be on their way, and what the last publisher
/// leaves goes beyond.
inline constexpr std::uint64_t bytes_window = 4 * 1024 * 1024;

/// Larger batches, of large values, go in pieces of this size: with its head,
/// each is as large as a frame may be.
inline constexpr std::size_t piece_bytes = 1024 * 1024 - 4096;

/// The memory of a batch is used again if it is not larger.
inline constexpr std::size_t most_kept_bytes = 2 * 1024 * 1024;

template <class Head>
port::bytes bytes_of(const Head& head) noexcept {
  return std::as_bytes(std::span{&head, 1});
}

/// Takes a head off the front of `from`.
template <class Head>
Head take_head(port::bytes& from) {
  Head result;
  if (from.size() < sizeof(Head))
    throw error{"a frame of a link ends within its head"};
  std::memcpy(&result, from.data(), sizeof(Head));
  from = from.subspan(sizeof(Head));
  return result;
}

inline failure take_failure(port::bytes from) {
  decoder in{from};
  auto result = decode_failure(in);
  if (!in.ok())
    throw error{"a frame of a link holds no failure: " + in.error()};
  return result;
}

/// A process that publishes to the seat here.
struct port::link_end {
  carrier_ptr from;
  bool open = false;
  bool answered = false;     // since it was opened
  bool recall_sent = false;  // idle places are on their way back
  std::uint64_t opening = 0; // as its `open` said
  std::uint64_t lent = 0;    // places of the queue that are reserved for it
  std::uint64_t sequence = 0;
  struct batch {
    std::uint64_t end; // the place of its last value among all in the queue
    std::uint64_t bytes;
  };
  std::deque<batch> batches;        // not consumed yet
  std::uint64_t bytes_waiting = 0;  // of these
  std::uint64_t bytes_consumed = 0; // of those before
  std::uint64_t bytes_told = 0;     // as it has been told
  std::uint64_t value_bytes = 0;    // about so large is one; 0 before the first
  std::shared_ptr<encoder> pieces;  // of the batch to come, or null
  std::shared_ptr<encoder> spare_pieces;
  room_waiter wait;
};

/// What is known at home of a relayed subscription.
struct port::relay_out {
  struct batch {
    std::shared_ptr<const encoder> text;
    std::uint64_t first;
    std::uint64_t count;
  };

  node_id to = 0;
  std::uint64_t number = 0;
  carrier_ptr out;          // of `round` alone
  std::deque<batch> window; // not safe yet
  std::uint64_t bytes = 0;  // of these
  std::uint64_t sent = 0;   // counts of values
  std::uint64_t consumed = 0;
  std::uint64_t safe = 0;
  bool end_sent = false;
  bool over = false;
  std::optional<std::uint64_t> handled;                  // when it is over
  std::optional<std::pair<node_id, std::uint64_t>> next; // comes after it
};

/// A relayed subscription in this process.
struct port::relay_in {
  std::shared_ptr<queue> values;
  std::uint64_t number = 0;
  carrier_ptr back;
  std::shared_ptr<encoder> pieces; // of the batch to come, or null
  std::uint64_t received = 0;
  std::uint64_t told_consumed = 0;
  std::uint64_t told_safe = 0;
  bool asked = false; // whether what came of some has been passed on
  bool refused = false;
  room_waiter wait; // in `values`
};

/// A frame to be sent when the mutex has been released.
struct port::small_frame {
  carrier_ptr to;
  link_frame what;
  std::vector<std::byte> body;

  template <class Head>
  small_frame(carrier_ptr c, link_frame w, const Head& head)
    : to(std::move(c)),
      what(w),
      body(bytes_of(head).begin(), bytes_of(head).end()) {}

  small_frame(carrier_ptr c, link_frame w, const failure* error)
    : to(std::move(c)),
      what(w) {
    if (!error)
      return;
    encoder out;
    encode(out, *error);
    body.assign(out.bytes().begin(), out.bytes().end());
  }
};

} // namespace puma::internal
