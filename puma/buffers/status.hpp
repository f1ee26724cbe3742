// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string_view>

namespace puma {

/// Outcome of publishing one value.
enum class publish_result {
  accepted, ///< The value belongs to the buffer.
  full,     ///< No room: the value is untouched. Wait, or slow down.
  closed,   ///< The stream has ended: the value is untouched. Stop publishing.
};

/// Outcome of receiving from a buffer.
enum class receive_status {
  value,     ///< A value was handed over.
  empty,     ///< Nothing there now, more may come.
  completed, ///< The stream has ended; nothing comes any more.
  failed,    ///< The stream has ended with an error.
};

[[nodiscard]] std::string_view to_string(publish_result x) noexcept;

[[nodiscard]] std::string_view to_string(receive_status x) noexcept;

} // namespace puma
