// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace puma::internal {

/// What a configuration says.
struct log_config {
  enum class handler_class { console, file, rotating_file, daily_file, syslog };
  enum class colors { automatic, always, never };

  struct handler {
    handler_class what = handler_class::console;
    log_level level = log_level::trace;
    std::string pattern;
    // console
    bool to_stdout = false;
    colors color = colors::automatic;
    // files
    std::string filename;
    bool truncate = false;
    std::size_t max_bytes = 0;
    std::size_t backup_count = 0;
    int hour = 0;
    int minute = 0;
    // syslog
    std::string ident;
    int facility = 0;
  };

  struct logger {
    std::optional<log_level> level;
    std::vector<std::string> handlers;
    bool propagate = true;
  };

  std::map<std::string, handler> handlers;
  std::map<std::string, logger, std::less<>> loggers; // "" is the root
  std::size_t queue_bytes = std::size_t{4} << 20U;
  std::uint32_t queue_wait = 0; // in ms

  /// What holds where nothing is configured.
  static log_config defaults();

  /// Reads the ready configuration or file of that name; throws `usage_error`.
  static log_config load(std::string_view source);

  /// `source` is what errors call the text.
  static log_config parse(const std::string& text, const std::string& source);
};

} // namespace puma::internal
