// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace puma::internal {

// Stream sockets between processes of this host. The caller owns the
// descriptors; they are non-blocking and close on exec.

/// Makes the file `path`, which must not exist, and listens there. Nobody but
/// this user, and root, can ever connect. Throws `error`.
int listen_at(const std::string& path);

/// Connects to a socket that listens at `path`; returns -1 when nobody listens
/// there. Waits while the listener has too many connections to accept: throws
/// `timeout_error` when that lasts until `deadline`, and `error` at once for
/// any other reason.
int connect_to(const std::string& path,
               std::chrono::steady_clock::time_point deadline);

/// Whether the process at the other end of a connected socket belonged to this
/// user when it connected, or called `listen_at`. Throws `error`.
bool same_user(int descriptor);

/// Returns two ends that are connected to each other. Throws `error`.
std::pair<int, int> socket_pair();

} // namespace puma::internal
