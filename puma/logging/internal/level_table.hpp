// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace puma::internal {

/// Calls `f` with `name`, then with what is left of it without its last dotted
/// part, and so on, at last with the empty prefix; until `f` returns true.
template <class F>
void for_each_prefix(std::string_view name, F f) {
  while (!f(name) && !name.empty()) {
    const auto dot = name.rfind('.');
    name = name.substr(0, dot == std::string_view::npos ? 0 : dot);
  }
}

/// The levels from which loggers write, by dotted prefix.
class level_table {
 public:
  /// @pre `levels` has one for the empty prefix.
  explicit level_table(std::map<std::string, log_level, std::less<>> levels);

  /// One level for all.
  explicit level_table(log_level all) : level_table({{"", all}}) {}

  [[nodiscard]] log_level of(std::string_view logger) const;

  /// Returns the lowest level of any logger.
  [[nodiscard]] log_level lowest() const noexcept { return lowest_; }

  /// For other processes; `parse` returns one level for all, `warning`, when
  /// the text is none that `to_text` returned.
  [[nodiscard]] std::string to_text() const;
  [[nodiscard]] static level_table parse(std::string_view text);

 private:
  std::map<std::string, log_level, std::less<>> levels_;
  log_level lowest_ = log_level::off;
};

} // namespace puma::internal
