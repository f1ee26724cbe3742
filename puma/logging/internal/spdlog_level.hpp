// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <spdlog/common.h>

namespace puma::internal {

// Both have the same levels in the same order.
static_assert(static_cast<int>(log_level::critical) == SPDLOG_LEVEL_CRITICAL);
static_assert(static_cast<int>(log_level::off) == SPDLOG_LEVEL_OFF);

[[nodiscard]] inline spdlog::level::level_enum
to_spdlog(log_level level) noexcept {
  return static_cast<spdlog::level::level_enum>(level);
}

[[nodiscard]] inline log_level
from_spdlog(spdlog::level::level_enum level) noexcept {
  return static_cast<log_level>(level);
}

} // namespace puma::internal
