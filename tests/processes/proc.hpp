// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

/// What /proc says of a process.
namespace puma_test {

[[nodiscard]] std::size_t resident_bytes(pid_t process);

[[nodiscard]] std::chrono::nanoseconds cpu_time(pid_t process);

[[nodiscard]] std::size_t threads_of(pid_t process);

/// The state, such as `S`, `Z`, `T`; `-` when there is no such process.
[[nodiscard]] char state_of(pid_t process);

/// What its descriptors refer to, such as `socket:[4711]`.
[[nodiscard]] std::vector<std::string> descriptors_of(pid_t process);

/// Its TCP and UDP sockets, of which nothing but the inode is known.
[[nodiscard]] std::vector<std::string> internet_sockets_of(pid_t process);

} // namespace puma_test
