// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/internal/log_config.hpp"
#include "puma/logging/internal/log_handler.hpp"
#include "puma/logging/internal/log_record.hpp"
#include "puma/logging/logging.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace puma::internal {

/// Hands lines to the handlers of their loggers, as a configuration says.
///
/// *Threads.* One at a time.
class log_output {
 public:
  /// Throws `usage_error` when a handler cannot be made.
  explicit log_output(log_config config);

  /// Returns the levels from which loggers write at all, by prefix: their own
  /// or the overriding ones, unless all handlers take less.
  [[nodiscard]] std::map<std::string, log_level, std::less<>>
  levels(const std::map<std::string, log_level, std::less<>>& overrides) const;

  void write(const log_record& x, const std::string& host) noexcept;

  void flush() noexcept;

  [[nodiscard]] std::vector<logging::statistics::handler> stats() const;

  [[nodiscard]] const log_config& config() const noexcept { return config_; }

 private:
  using route = std::vector<log_handler*>;

  [[nodiscard]] route make_route(std::string_view logger) const;
  const route& route_of(std::string_view logger);

  const log_config config_;
  std::map<std::string, std::unique_ptr<log_handler>> handlers_;
  std::unordered_map<std::string, route> routes_; // known so far
};

} // namespace puma::internal
