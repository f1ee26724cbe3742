// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_address.hpp"
#include "puma/environments/node_error.hpp"

#include <chrono>
#include <string>
#include <utility>

namespace puma::internal {

/// A descriptor that is closed unless it is released.
class owned_descriptor {
 public:
  explicit owned_descriptor(int x = -1) noexcept : descriptor_(x) {}

  owned_descriptor(owned_descriptor&& other) noexcept
    : descriptor_(other.release()) {}

  owned_descriptor& operator=(owned_descriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  ~owned_descriptor();

  [[nodiscard]] int get() const noexcept { return descriptor_; }

  int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

/// Limits how long something may wait: until a deadline, and only as long as
/// nobody calls it off.
struct wait_limit {
  std::chrono::steady_clock::time_point deadline;
  int cancel = -1; ///< Becomes readable when it is to be given up.

  /// Waits until one of `events` holds for `descriptor`; false when the time is
  /// over or it was called off.
  [[nodiscard]] bool wait(int descriptor, short events) const noexcept;

  [[nodiscard]] bool is_cancelled() const noexcept;
};

// Sockets between hosts. They are non-blocking and close on exec.

/// Listens at an address. Throws `error`.
owned_descriptor listen_at(const net_address& where);

/// Returns the address that a socket is bound to; `like` gives the rest.
net_address bound_address(int descriptor, const net_address& like);

/// Returns who is at the other end, for logs.
std::string peer_address(int descriptor);

/// Accepts a connection; -1 when there is none.
int accept_from(int listening) noexcept;

/// Lets a connection break whose other side has not confirmed anything for so
/// long, whatever TCP would have waited for. It counts as silent, too, when it
/// has not read for so long, and its window is closed. 0: not at all.
void limit_silence(int descriptor, std::chrono::milliseconds limit) noexcept;

/// The host is there, and nobody listens.
class connection_refused final : public node_unreachable {
 public:
  using node_unreachable::node_unreachable;
};

/// Connects. Tries all addresses of the host. Throws `node_unreachable` or
/// `node_silent`; `name` goes before the text.
owned_descriptor connect_to(const net_address& where, const wait_limit& limit,
                            const std::string& name);

} // namespace puma::internal
