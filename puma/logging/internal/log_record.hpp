// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <cstdint>
#include <string_view>

namespace puma::internal {

/// One line on its way to the output. Whoever makes it keeps the texts.
struct log_record {
  log_level level = log_level::info;
  std::uint32_t process_id = 0; // 0: of the queue's writer
  std::uint32_t thread_id = 0;
  std::uint32_t line = 0;     // in `file`
  std::uint64_t sequence = 0; // set by the queue
  std::int64_t time = 0;      // in ns since the epoch; set by the queue
  std::string_view logger;
  std::string_view file;
  std::string_view process; // empty: the queue's writer
  std::string_view text;
};

} // namespace puma::internal
