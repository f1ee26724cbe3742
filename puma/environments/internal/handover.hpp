// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/greeting.hpp"
#include "puma/environments/internal/net_socket.hpp"

#include <optional>
#include <string>

namespace puma::internal {

// Connections that one process of a host made go to another by a socket for
// datagrams: each carries a request and the descriptor that it is about, if
// there is one (not with `errand::unreached`).

struct handover {
  node_request request;
  owned_descriptor descriptor;
};

/// Makes the file `path`, and receives there. Only this user, and root, can
/// send. Throws `error`.
owned_descriptor receive_handovers_at(const std::string& path);

/// Sends to who receives at `path`. Throws `error`, also when nobody takes it
/// within a second.
void hand_over(const std::string& path, const node_request& request,
               int descriptor);

/// As above, by a socket that is connected.
void hand_over(int socket, const node_request& request, int descriptor);

/// Returns two ends of such a socket. Throws `error`.
std::pair<owned_descriptor, owned_descriptor> handover_pair();

/// Takes the next one; nothing when there is none. `is_over`: there will be
/// none.
std::optional<handover> take_handover(int socket, bool& is_over);

} // namespace puma::internal
