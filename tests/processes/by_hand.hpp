// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/greeting.hpp"
#include "puma/environments/internal/net_socket.hpp"
#include "tests/processes/nodes.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

/// Owners and nodes that say what a test wants them to.
namespace puma_test {

using frame = std::vector<std::byte>;

/// Returns a frame of a connection of puma.
[[nodiscard]] frame make_frame(std::uint8_t kind, std::uint64_t to,
                               std::span<const std::byte> body = {});

[[nodiscard]] std::uint8_t kind_of(const frame& x);

/// Lets the header tell the length that the frame has.
void fix_length(frame& x);

/// Takes frames out of a stream of bytes.
class frame_splitter {
 public:
  void add(std::span<const std::byte> x);

  /// Returns the next one, or an empty one when there is none.
  frame next();

 private:
  std::vector<std::byte> bytes_;
};

/// A connection on which a test says what it likes.
class wire {
 public:
  explicit wire(puma::internal::owned_descriptor socket, int cancel = -1);

  /// Sends it; what comes meanwhile is received. False when the other
  /// side has closed it, or takes nothing for long.
  bool say(std::span<const std::byte> x);

  /// As above, without reading: false also when the other side takes no more
  /// for so long.
  bool say_deafly(std::span<const std::byte> x,
                  std::chrono::milliseconds patience);

  /// Waits for a frame; returns an empty one when the other side has closed
  /// it, or says nothing for so long.
  frame hear(std::chrono::milliseconds patience);

  /// Keeps what has come for `next`; does not wait.
  void receive();

  /// Returns the next frame of what was received, or an empty one.
  frame next() { return heard_.next(); }

  [[nodiscard]] bool is_closed() const noexcept { return closed_; }

  [[nodiscard]] int descriptor() const noexcept { return socket_.get(); }

 private:
  [[nodiscard]] puma::internal::wait_limit
  limit(std::chrono::milliseconds time) const;

  puma::internal::owned_descriptor socket_;
  int cancel_;
  bool closed_ = false;
  frame_splitter heard_;
};

/// Passes the greeting of a node; what is said from then on goes to a session
/// or a worker.
[[nodiscard]] wire introduce(const std::string& address,
                             const puma::internal::node_request& what,
                             int cancel = -1,
                             const puma::internal::node_route& route = {});

/// Listens, and lets the test decide what is said.
class fake_node {
 public:
  fake_node();

  [[nodiscard]] std::string address() const;

  /// Waits for who connects.
  [[nodiscard]] puma::internal::owned_descriptor accept(int cancel = -1) const;

 private:
  puma::internal::owned_descriptor listening_;
};

/// Serves each connection by a function on a thread of its own, which has to
/// end once `cancel` is readable.
class fake_server {
 public:
  using service = std::function<void(puma::internal::owned_descriptor,
                                     int cancel)>;

  explicit fake_server(service how);

  fake_server(const fake_server&) = delete;
  fake_server& operator=(const fake_server&) = delete;

  ~fake_server();

  [[nodiscard]] std::string address() const { return listening_.address(); }

 private:
  void run();

  const service how_;
  const fake_node listening_;
  puma::internal::owned_descriptor cancel_;
  std::list<std::thread> threads_; // of `runner_`
  std::thread runner_;             // last
};

/// Who has passed the greeting of a fake node.
struct guest {
  puma::internal::node_request request;
  wire connection;
};

/// Greets as a node does. Throws `node_error`.
[[nodiscard]] guest greet(puma::internal::owned_descriptor socket, int cancel);

/// Stands between owners and a node, and may change what they say after they
/// have been greeted.
class meddler {
 public:
  enum class way { to_node, to_owner };

  /// Gets each frame, one at a time; what it leaves goes on.
  using change = std::function<void(way, puma::internal::errand, frame&)>;

  meddler(std::string node, change what);

  [[nodiscard]] std::string address() const { return server_.address(); }

 private:
  void serve(puma::internal::owned_descriptor from, int cancel);

  const std::string node_;
  std::mutex mutex_;
  const change what_;
  fake_server server_; // last
};

} // namespace puma_test
