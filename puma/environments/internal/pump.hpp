// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_socket.hpp"

#include <csignal>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

namespace puma::internal {

/// One end of a stream of bytes, which does not wait.
class byte_end {
 public:
  using bytes = std::span<std::byte>;

  enum class outcome { some, blocked, over };

  struct result {
    outcome what;
    std::size_t size = 0;
  };

  virtual ~byte_end() = default;

  virtual result read(bytes to) = 0;

  /// `some` of no bytes: wants to be read from before it takes more.
  virtual result write(std::span<const std::byte> from) = 0;

  /// Says the other side that no more will come, if there is a way to. May wait
  /// for that, until `stop` becomes readable.
  virtual void finish(int stop) noexcept { static_cast<void>(stop); }

  [[nodiscard]] virtual int descriptor() const noexcept = 0;

  /// What to wait for at the descriptor after a `read` or `write` that was
  /// blocked.
  [[nodiscard]] virtual short read_events() const noexcept = 0;
  [[nodiscard]] virtual short write_events() const noexcept = 0;
};

/// Returns an end that is a socket, which it owns.
std::unique_ptr<byte_end> socket_end(int descriptor);

/// Passes bytes on between two ends, each pair on a thread of its own: where
/// they cannot be one socket, because TLS or another host is in between. What
/// an end does not take is not read from the other.
///
/// *Threads.* All functions may be called from any thread.
class pump_set {
 public:
  /// Throws `error`.
  pump_set();

  pump_set(const pump_set&) = delete;
  pump_set& operator=(const pump_set&) = delete;

  /// Cuts what is left.
  ~pump_set();

  /// Passes on until one end is over. Throws `error`.
  void connect(std::unique_ptr<byte_end> a, std::unique_ptr<byte_end> b);

  /// As above, to and from a local socket, whose other end it returns.
  owned_descriptor connect_locally(std::unique_ptr<byte_end> x);

 private:
  struct pump {
    std::thread thread;
    bool done = false;
  };

  void reap();

  int stop_ = -1; // becomes readable when all are to end
  std::mutex mutex_;
  std::list<pump> pumps_;
};

/// Blocks all signals in this thread, and in those that it starts meanwhile. A
/// write to a socket that the other side has closed is an error then, too.
class signals_blocked {
 public:
  signals_blocked() noexcept;
  signals_blocked(const signals_blocked&) = delete;
  signals_blocked& operator=(const signals_blocked&) = delete;
  ~signals_blocked();

 private:
  sigset_t before_;
};

} // namespace puma::internal
