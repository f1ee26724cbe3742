// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace puma_test {

/// Whether a process that was forked while other threads ran may use memory.
/// With AddressSanitizer it may find the allocator locked by one of them, for
/// ever.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool forks_may_allocate = false;
#else
inline constexpr bool forks_may_allocate = true;
#endif

} // namespace puma_test
