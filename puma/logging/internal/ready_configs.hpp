// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

namespace puma::internal {

/// Returns the text of a configuration that comes with puma, or null.
[[nodiscard]] const char* find_ready_config(std::string_view name) noexcept;

} // namespace puma::internal
