// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/logging.hpp"

#include "puma/logging/internal/log_config.hpp"
#include "puma/logging/internal/log_hub.hpp"
#include "puma/logging/internal/spdlog_bridge.hpp"

namespace puma::logging {

namespace {

internal::log_hub& hub() {
  return internal::log_hub::instance();
}

} // namespace

void configure(std::string_view source) {
  hub().configure(internal::log_config::load(source));
  internal::bridge_spdlog();
}

void configure(const yaml& text) {
  hub().configure(internal::log_config::parse(text.text, "log configuration"));
  internal::bridge_spdlog();
}

void reset() {
  hub().configure(internal::log_config::defaults());
}

void override_level(std::string_view prefix, log_level level) {
  hub().override_level(prefix, level);
}

void reset_levels() {
  hub().reset_levels();
}

void flush() noexcept {
  hub().flush();
}

statistics stats() {
  return hub().stats();
}

} // namespace puma::logging
