// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/buffers/internal/carrier.hpp"
#include "puma/environments/internal/io_loop.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include <sys/types.h>

namespace puma::internal {

/// Goes before the body of each frame.
struct frame_header {
  std::uint32_t length; ///< Of the body, in bytes.
  std::uint8_t kind;    ///< A `link_frame`, or a `node_frame`.
  std::uint8_t unused[3];
  std::uint64_t to; ///< A buffer, a runnable or a token, by kind.
};

/// A stream socket that carries frames to and from another process.
///
/// Frames are written by the thread that sends them, at once, and read by the
/// loop's thread; only what the socket does not take is left to the loop.
///
/// *Threads.* All functions may be called from any thread.
class connection final : public carrier,
                         public io_client,
                         public std::enable_shared_from_this<connection> {
 public:
  using bytes = std::span<const std::byte>;

  /// Frames with a longer body are refused.
  static constexpr std::size_t most_bytes = 1024 * 1024;

  /// Told of what comes in, on the loop's thread.
  class listener {
   public:
    /// May throw: then the connection is lost, for that reason.
    virtual void on_frame(const std::shared_ptr<connection>& from,
                          const frame_header& head, bytes body)
      = 0;

    /// May return where the body of the frame is to be appended to, in place of
    /// `on_frame`; null otherwise.
    virtual std::shared_ptr<encoder>
    sink_of(const std::shared_ptr<connection>& from, const frame_header& head)
      = 0;

    /// Called once; `why` is empty when the other side closed it.
    virtual void on_lost(const std::shared_ptr<connection>& who,
                         const std::string& why)
      = 0;

   protected:
    ~listener() = default;
  };

  /// Takes over `descriptor`; reads nothing before `begin`. `known`: who the
  /// other side is need not be said first. `to` must live until `on_lost` has
  /// been called.
  static std::shared_ptr<connection>
  open(io_loop& loop, int descriptor, listener& to, node_id peer, bool known);

  /// As above, for a socket that `attach` brings later; what is sent until then
  /// is kept.
  static std::shared_ptr<connection> open_later(io_loop& loop, listener& to,
                                                node_id peer);

  connection(io_loop& loop, int descriptor, listener& to,
             node_id peer) noexcept;

  /// Takes over `descriptor`, reads from it, and sends what was kept.
  void attach(int descriptor) noexcept;

  /// Starts to read.
  void begin() { loop_.start(handle_); }

  /// Who the other side is; set by its first frame where it is not known.
  void set_peer(node_id x) noexcept { peer_.store(x); }

  /// Whether the other side has said who it is.
  std::atomic<bool> introduced{false};

  /// Whether it leads to another host, perhaps by way of other processes.
  std::atomic<bool> is_far{false};

  /// Whether the other side has said that it is about to close it.
  std::atomic<bool> ends_well{false};

  void send(std::uint8_t kind, std::uint64_t to, bytes head, bytes body,
            const std::shared_ptr<const encoder>& keep = nullptr) noexcept;

  /// Closes it once what was sent before has left.
  void close_when_sent() noexcept;

  /// Closes it; `on_lost` follows.
  void close() noexcept;

  /// Returns whether all that was sent has left this process.
  [[nodiscard]] bool all_sent() const noexcept;

  /// Returns how much is kept that the socket did not take.
  [[nodiscard]] std::size_t backlog() const noexcept;

  /// Returns whether there is something that has not been read yet.
  [[nodiscard]] bool has_unread() const noexcept;

  // -- implementation of carrier ----------------------------------------------

  [[nodiscard]] node_id peer() const noexcept override { return peer_.load(); }

  void send(link_frame what, buffer_id to, bytes head, bytes body,
            const std::shared_ptr<const encoder>& keep) noexcept override;
  bool is_congested(const std::shared_ptr<port>& who) override;

  // -- implementation of io_client --------------------------------------------

  bool on_readable() override;
  bool on_writable() override;
  void on_removed() override;

 private:
  /// Something that the socket did not take.
  struct leftover {
    std::shared_ptr<const encoder> keep; // what `rest` is a part of
    bytes rest;
  };

  [[nodiscard]] std::size_t write(const bytes* parts, std::size_t count,
                                  bool& failed) noexcept;
  void add_leftover(bytes rest, const std::shared_ptr<const encoder>& keep);
  bool flush_backlog() noexcept;
  /// Lets go, with the mutex; `on_removed` follows.
  void leave() noexcept;
  void parse();
  void make_space();
  ssize_t fill_sink(std::size_t& space);
  [[nodiscard]] bool read_some();
  void ask_for(std::size_t size) noexcept;

  io_loop& loop_;
  listener& listener_;
  std::atomic<node_id> peer_;
  io_loop::handle_ptr handle_;

  // Of the loop's thread.
  std::unique_ptr<std::byte[]> input_;
  std::size_t input_size_ = 0;
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  std::shared_ptr<encoder> sink_; // gets the next `sink_left_` bytes
  std::size_t sink_left_ = 0;
  int low_water_ = 1; // see SO_RCVLOWAT
  bool is_local_ = false;
  std::string why_lost_;

  mutable std::mutex mutex_;
  int descriptor_;
  bool lost_ = false;
  bool closing_ = false;
  std::deque<leftover> backlog_;
  std::shared_ptr<encoder> copies_; // of what is small; the last in the backlog
  std::size_t backlog_bytes_ = 0;
  std::vector<std::weak_ptr<port>> waiting_;
};

using connection_ptr = std::shared_ptr<connection>;

} // namespace puma::internal
