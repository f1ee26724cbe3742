// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/log.hpp"

#include "puma/logging/internal/log_hub.hpp"
#include "puma/logging/logging.hpp"

namespace puma {

std::string_view to_string(log_level level) noexcept {
  switch (level) {
  case log_level::trace:
    return "trace";
  case log_level::debug:
    return "debug";
  case log_level::info:
    return "info";
  case log_level::warning:
    return "warning";
  case log_level::error:
    return "error";
  case log_level::critical:
    return "critical";
  case log_level::off:
    break;
  }
  return "off";
}

void log(log_level level, std::string_view logger, std::string_view text,
         std::source_location where) noexcept {
  auto& hub = internal::log_hub::instance();
  if (!hub.logs(level, logger))
    return;
  internal::log_record line;
  line.level = level;
  line.logger = logger;
  line.text = text;
  line.file = internal::base_name(where.file_name());
  line.line = where.line();
  hub.submit(line);
}

void set_log_level(log_level level) {
  logging::override_level("", level);
}

bool logs(log_level level, std::string_view logger) noexcept {
  return internal::log_hub::instance().logs(level, logger);
}

} // namespace puma
