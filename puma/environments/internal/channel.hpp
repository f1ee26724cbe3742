// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_socket.hpp"
#include "puma/environments/internal/pump.hpp"
#include "puma/environments/node_error.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace puma::internal {

/// A connection between hosts, while the two sides make sure whom they talk to.
/// Errors are those of `puma/environments/node_error.hpp`.
///
/// *Threads.* Belongs to one thread, which has its signals blocked.
class channel {
 public:
  virtual ~channel() = default;

  /// Reads so many bytes, and none beyond.
  virtual void read(std::span<std::byte> to, const wait_limit& limit) = 0;

  virtual void write(std::span<const std::byte> from, const wait_limit& limit)
    = 0;

  [[nodiscard]] virtual int descriptor() const noexcept = 0;

  /// Gives up the connection: returns an end for what is said from now on.
  virtual std::unique_ptr<byte_end> release_end() = 0;

  /// As above, as a descriptor, to which `pumps` may pass it on.
  virtual owned_descriptor release(pump_set& pumps) {
    return pumps.connect_locally(release_end());
  }
};

/// The other side has closed the connection before all was said: perhaps one
/// that has too many guests.
class closed_early final : public not_a_node {
 public:
  using not_a_node::not_a_node;
};

/// `name` goes before the text of errors.
std::unique_ptr<channel> plain_channel(owned_descriptor socket,
                                       std::string name);

} // namespace puma::internal
