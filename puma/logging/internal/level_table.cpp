// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/level_table.hpp"

#include <algorithm>
#include <utility>

namespace puma::internal {

level_table::level_table(std::map<std::string, log_level, std::less<>> levels)
  : levels_(std::move(levels)) {
  for (auto& [prefix, level] : levels_)
    lowest_ = std::min(lowest_, level);
}

log_level level_table::of(std::string_view logger) const {
  auto result = log_level::warning;
  for_each_prefix(logger, [&](std::string_view prefix) {
    const auto i = levels_.find(prefix);
    if (i != levels_.end())
      result = i->second;
    return i != levels_.end();
  });
  return result;
}

// One line per prefix: a digit, then the prefix.

std::string level_table::to_text() const {
  std::string result;
  for (auto& [prefix, level] : levels_)
    result.append(1, static_cast<char>('0' + static_cast<int>(level)))
      .append(prefix)
      .append(1, '\n');
  return result;
}

level_table level_table::parse(std::string_view text) {
  std::map<std::string, log_level, std::less<>> levels;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto level = text.front() - '0';
    if (end == std::string_view::npos || end == 0 || level < 0
        || level > static_cast<int>(log_level::off))
      return level_table{log_level::warning};
    levels[std::string{text.substr(1, end - 1)}] = static_cast<log_level>(
      level);
    text.remove_prefix(end + 1);
  }
  levels.try_emplace("", log_level::warning);
  return level_table{std::move(levels)};
}

} // namespace puma::internal
