// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/internal/carrier.hpp"
#include "puma/environments/internal/channel.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

namespace puma::internal {

/// What somebody who connects to a node wants.
enum class errand : std::uint8_t {
  session, ///< Begins to use the node; over it go log lines and exit records.
  worker,  ///< Starts a worker of a session; its control connection.
  link,    ///< Leads to a worker of a session, as from another process.
  answer,  ///< Leads to a worker that has asked for a connection.
  resume,  ///< Takes the place of a connection that has broken.
  reach,   ///< Asks the node to make a connection that a worker has asked for,
           ///< to another node; see `node_route`.
  unreached, ///< Not said to nodes: tells that worker that there is no way.
};

/// Tells the uses of a node apart; made up by the owner.
using session_token = std::array<std::uint64_t, 2>;

/// Tells connections that may be resumed apart; made up by the owner.
using stream_token = std::array<std::uint64_t, 2>;

/// What a node is told by who connects.
struct node_request {
  errand what = errand::session;
  bool capture_output = true;
  session_token session{};
  node_id worker = 0;
  bool is_shared = false;    ///< Whether several runnables may run there.
  std::uint32_t threads = 0; ///< Of the worker; 0: what suits it.
  std::uint64_t slot = 0;    ///< What the worker calls what it asked for.
  std::uint64_t silence_limit_ms = 0; ///< How long the other may be silent.
  stream_token stream{};              ///< All zero: it cannot be resumed.
  std::uint64_t grace_ms = 0;         ///< How long it can be.
  std::uint64_t received = 0;         ///< To resume: how many bytes have come.
};

/// To whom a connection from one node to another leads.
struct node_route {
  std::string address;     ///< As of `net_address`.
  std::string host_name;   ///< See `node_target`.
  session_token session{}; ///< There.
  node_id worker = 0;
};

enum class node_verdict : std::uint8_t {
  accepted,
  other_build, ///< The text says which one the node runs.
  other_token,
  unknown_session, ///< It has ended.
  unknown_stream,  ///< There is nothing to resume.
  failed,          ///< The text says why.
};

/// The steps by which two sides make sure that they belong together, after TLS
/// if that is used. Neither says anything about itself, beside the version of
/// the protocol, before the other has proved that it has the token.
///
/// Both begin with a hello and a number that they have made up. Whoever has
/// connected then sends its request and its build, and the node answers; both
/// with a code that only who knows the token can compute.
namespace greeting {

/// Says what this executable is, on whatever host it is: the same for copies.
const std::string& build();

/// Requests and answers with more bytes are refused.
inline constexpr std::uint32_t most_bytes = 4096;

/// There is nothing that could be resumed.
class stream_unknown final : public node_error {
 public:
  using node_error::node_error;
};

/// Greets a node; returns what it says when it lets this side in. `name` goes
/// before the text of errors, which are those of
/// `puma/environments/node_error.hpp`.
std::string introduce(channel& to, const std::string& token,
                      const node_request& request, const wait_limit& limit,
                      const std::string& name, const node_route& route = {});

/// A node's side, up to the answer. Throws `node_error` when the other side may
/// not come in; then it has been told what it may know.
class welcome {
 public:
  welcome(channel& from, const std::string& token, const wait_limit& limit);

  [[nodiscard]] const node_request& request() const noexcept {
    return request_;
  }

  /// Of `errand::reach`.
  [[nodiscard]] const node_route& route() const noexcept { return route_; }

  void answer(node_verdict what, const std::string& text);

 private:
  channel& channel_;
  const std::string& token_;
  const wait_limit& limit_;
  std::array<std::byte, 64> nonces_{};
  node_request request_;
  node_route route_;
};

} // namespace greeting

} // namespace puma::internal
