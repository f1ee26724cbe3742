// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_socket.hpp"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace puma_test {

/// The line to a node, where it is not as good as could be: listens on this
/// host, and passes on what comes to a port of this host, and back.
///
/// *Threads.* All functions may be called from any thread; what they ask for
/// holds when they return. One thread of its own does the work.
class net_proxy {
 public:
  enum class direction : std::size_t { to_node, to_owner };

  /// How it passes on.
  struct quality {
    /// How long each byte is under way.
    std::chrono::milliseconds delay{0};

    /// Each way, for all connections together; 0: no limit.
    std::size_t bytes_per_second = 0;

    /// Passes on one to seven bytes at a time.
    bool in_tiny_pieces = false;
  };

  /// Passes on to that port.
  explicit net_proxy(std::uint16_t to);

  net_proxy(const net_proxy&) = delete;
  net_proxy& operator=(const net_proxy&) = delete;

  ~net_proxy();

  [[nodiscard]] std::string address(const std::string& scheme) const;

  void set(const quality& x);

  /// Passes nothing on, in neither direction, and keeps all connections. Who
  /// connects is let wait.
  void stall();

  /// Goes on after `stall`, with what has come meanwhile.
  void go_on();

  /// Resets all connections; what is under way is gone.
  void cut();

  /// Lets nobody connect.
  void refuse();

  /// Lets others connect again.
  void admit();

  /// Changes one byte once so many have passed on from now, on whatever
  /// connection that is.
  void corrupt(direction which, std::uint64_t after, std::byte change);

  /// Whether that has been done.
  [[nodiscard]] bool has_corrupted();

  /// How many bytes have come.
  [[nodiscard]] std::uint64_t passed(direction which);

  [[nodiscard]] std::size_t connections();

 private:
  using clock = std::chrono::steady_clock;

  struct piece {
    std::vector<std::byte> bytes;
    clock::time_point due;
  };

  /// What goes one way on one connection.
  struct flow {
    direction which;
    int from;
    int to;
    std::list<piece> under_way = {};
    std::size_t size = 0;  // of what is under way
    std::size_t begin = 0; // of what is left of the first piece
    bool over = false;     // no more will come
    bool finished = false; // and the other side has been told
  };

  struct pair {
    puma::internal::owned_descriptor owner;
    puma::internal::owned_descriptor node;
    flow there;
    flow back;
  };

  struct change {
    direction which;
    std::uint64_t after;
    std::byte by;
  };

  /// Calls `what` on the thread that does the work, and waits for it.
  void apply(const std::function<void()>& what);

  void run();
  [[nodiscard]] bool do_jobs();
  void listen();
  void accept();
  void pass_on();
  [[nodiscard]] bool receive(flow& x);
  [[nodiscard]] bool deliver(flow& x);
  void earn(clock::time_point now);
  void wait();
  [[nodiscard]] std::size_t most_now(const flow& x) const;

  const std::uint16_t to_;
  // Keeps the port while nobody may connect.
  puma::internal::owned_descriptor place_;
  std::uint16_t port_ = 0;
  puma::internal::owned_descriptor wake_;

  // Of the thread.
  puma::internal::owned_descriptor listening_;
  std::list<pair> pairs_;
  quality quality_;
  bool stalled_ = false;
  std::optional<change> change_;
  std::array<std::uint64_t, 2> passed_{};
  std::array<double, 2> allowance_{};
  clock::time_point earned_ = clock::now();
  std::mt19937 random_{4711};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<const std::function<void()>*> jobs_;
  bool ending_ = false;

  std::thread thread_; // last
};

} // namespace puma_test
