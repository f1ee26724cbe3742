// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/io_loop.hpp"

#include <memory>

namespace caf {
class actor_system;
} // namespace caf

namespace puma::internal {

/// Returns the multiplexer of the system's middleman, which must outlive it.
/// All handles must be removed before the system ends.
std::unique_ptr<io_loop> make_middleman_loop(caf::actor_system& system);

} // namespace puma::internal
