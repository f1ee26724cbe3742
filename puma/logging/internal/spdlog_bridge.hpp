// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

namespace puma::internal {

/// Lets what is written by spdlog's functions, such as `spdlog::info`, go the
/// way of all lines; unless the application has set a default logger of its
/// own.
void bridge_spdlog();

/// Spares spdlog the formatting of lines below `lowest`.
void set_spdlog_level(log_level lowest);

} // namespace puma::internal
