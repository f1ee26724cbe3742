// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

namespace puma::internal {

/// The name of the runnable whose hook this thread is in, or null: what plain
/// lines of spdlog are logged under.
[[nodiscard]] inline const std::string*& log_context() noexcept {
  thread_local const std::string* instance = nullptr;
  return instance;
}

} // namespace puma::internal
