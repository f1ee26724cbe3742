// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_socket.hpp"
#include "puma/environments/internal/pump.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

namespace puma::internal {

/// A stream of bytes between two hosts that outlives its connection. What the
/// other side has not confirmed is kept, in a window; when the connection
/// breaks and another takes its place, each side goes on after what the other
/// has received. So nothing is lost, and nothing comes twice.
///
/// Over the connection go frames: a number of 32 bits that says how many bytes
/// follow; or, in its highest bits, that a number of 64 bits follows, which
/// confirms as many bytes since the begin; or that no more come. All that there
/// is to be said at a time is written at once: each write wakes the other side,
/// and is a record of its own in TLS.
///
/// A stream that is cut again and again without having come further is over
/// after `grace`, too.
///
/// *Threads.* A pump reads and writes. `take_over`, `resume` and `give_up` may
/// be called from any thread.
class resumable_stream {
 public:
  using clock = std::chrono::steady_clock;

  /// What may be under way, and unconfirmed, each way.
  static constexpr std::size_t window_bytes = 1024 * 1024;

  /// `first` is the connection to begin with. `on_cut` is called when one has
  /// broken, from the pump, and may wait until another has been found; unless
  /// it has when `grace` is over and `on_cut` returns, the stream is over.
  /// Throws `error`.
  resumable_stream(std::unique_ptr<byte_end> first,
                   std::chrono::milliseconds grace,
                   std::function<void(resumable_stream&)> on_cut);

  resumable_stream(const resumable_stream&) = delete;
  resumable_stream& operator=(const resumable_stream&) = delete;

  // -- for a pump: see `byte_end` ---------------------------------------------

  byte_end::result read(byte_end::bytes to);
  /// Takes nothing, without being blocked, when there is something to `read`.
  byte_end::result write(std::span<const std::byte> from);
  [[nodiscard]] int descriptor() const;
  [[nodiscard]] short read_events() const;
  [[nodiscard]] short write_events() const;

  /// Says that no more will come, and waits until the other side has confirmed
  /// all that did; no longer than `grace` (and once more, when it is cut
  /// meanwhile), or until `stop` becomes readable.
  void finish(int stop) noexcept;

  // -- for who makes connections ----------------------------------------------

  /// Gives up the connection there is, if any, because the other side has made
  /// another. Returns how many bytes have been received; nothing when the
  /// stream is over.
  std::optional<std::uint64_t> take_over();

  /// Goes on by another connection, whose other side has received so much.
  void resume(std::unique_ptr<byte_end> by, std::uint64_t others_received);

  /// There will be no other connection.
  void give_up();

  /// Returns when it is over unless it has been resumed; nothing unless it is
  /// cut.
  [[nodiscard]] std::optional<clock::time_point> cut_until() const;

 private:
  // All of the following need the mutex.
  void install();
  void drop_connection();
  /// Returns whether it has just been cut.
  [[nodiscard]] bool settle();
  void end();
  void alarm_at(clock::time_point when);
  void flush();
  void stage();
  [[nodiscard]] std::span<const std::byte> unsent() const;
  [[nodiscard]] bool must_confirm() const;
  bool fill();
  [[nodiscard]] bool parse_head();

  const std::chrono::milliseconds grace_;
  const std::function<void(resumable_stream&)> on_cut_;
  const owned_descriptor timer_; // readable when there is news while it is cut

  mutable std::mutex mutex_;
  std::unique_ptr<byte_end> raw_;
  bool abandoned_ = false; // `raw_` is not to be used any more
  bool broken_ = false;    // it is gone; what came before is still to be read
  bool cut_ = false;
  bool over_ = false;
  clock::time_point deadline_{}; // while it is cut
  std::uint64_t progress_ = 0;   // at the last cut
  std::unique_ptr<byte_end> next_;
  std::uint64_t next_received_ = 0;

  // Out: a ring, with positions since the begin.
  std::unique_ptr<std::byte[]> window_;
  std::uint64_t confirmed_ = 0;
  std::uint64_t sent_ = 0; // or staged
  std::uint64_t written_ = 0;
  std::unique_ptr<std::byte[]> staged_; // frames, or the begin of one
  std::size_t staged_begin_ = 0;
  std::size_t staged_end_ = 0;
  std::size_t out_left_ = 0; // of the last frame in there
  bool finishing_ = false;
  bool end_sent_ = false;

  // In.
  std::unique_ptr<std::byte[]> in_;
  std::size_t in_begin_ = 0;
  std::size_t in_end_ = 0;
  std::size_t in_left_ = 0; // of the frame that is being read
  std::uint64_t received_ = 0;
  std::uint64_t told_ = 0; // that so many have been received
  bool others_end_ = false;
  bool end_told_ = false; // that its end has come
};

/// Returns the end of `x` that a pump passes bytes on to.
std::unique_ptr<byte_end> resumable_end(std::shared_ptr<resumable_stream> x);

} // namespace puma::internal
