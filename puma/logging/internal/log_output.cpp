// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/log_output.hpp"

#include "puma/logging/internal/level_table.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

namespace puma::internal {

namespace {

/// Names of loggers may come from data.
constexpr std::size_t most_routes = 4'096;

/// Returns the value of the longest prefix of `name` for which `f` has one.
template <class F>
log_level first_of(std::string_view name, log_level otherwise, F f) {
  auto result = otherwise;
  for_each_prefix(name, [&](std::string_view prefix) {
    const std::optional<log_level> found = f(prefix);
    result = found.value_or(result);
    return found.has_value();
  });
  return result;
}

} // namespace

log_output::log_output(log_config config) : config_(std::move(config)) {
  for (auto& [name, how] : config_.handlers)
    handlers_[name] = std::make_unique<log_handler>(name, how);
  for (auto& [name, x] : handlers_)
    x->begin();
}

std::map<std::string, log_level, std::less<>> log_output::levels(
  const std::map<std::string, log_level, std::less<>>& overrides) const {
  std::set<std::string> prefixes{""};
  for (auto& [prefix, x] : config_.loggers)
    prefixes.insert(prefix);
  for (auto& [prefix, level] : overrides)
    prefixes.insert(prefix);
  std::map<std::string, log_level, std::less<>> result;
  for (auto& name : prefixes) {
    const auto configured = first_of(
      name, log_level::warning, [&](std::string_view prefix) {
        const auto i = config_.loggers.find(prefix);
        return i != config_.loggers.end() ? i->second.level : std::nullopt;
      });
    const auto own = first_of(
      name, configured,
      [&](std::string_view prefix) -> std::optional<log_level> {
        const auto i = overrides.find(prefix);
        return i != overrides.end() ? std::optional{i->second} : std::nullopt;
      });
    auto taken = log_level::off;
    for (const auto* x : make_route(name))
      taken = std::min(taken, x->level());
    result[name] = std::max(own, taken);
  }
  return result;
}

log_output::route log_output::make_route(std::string_view logger) const {
  route result;
  for_each_prefix(logger, [&](std::string_view prefix) {
    const auto i = config_.loggers.find(prefix);
    if (i == config_.loggers.end())
      return false;
    for (auto& name : i->second.handlers) {
      auto* x = handlers_.at(name).get();
      if (std::find(result.begin(), result.end(), x) == result.end())
        result.push_back(x);
    }
    return !i->second.propagate;
  });
  return result;
}

const log_output::route& log_output::route_of(std::string_view logger) {
  const std::string name{logger};
  if (const auto i = routes_.find(name); i != routes_.end())
    return i->second;
  if (routes_.size() >= most_routes)
    routes_.clear();
  return routes_[name] = make_route(logger);
}

void log_output::write(const log_record& x, const std::string& host) noexcept {
  try {
    for (auto* to : route_of(x.logger))
      if (x.level >= to->level())
        to->write(x, host);
  } catch (...) {
    // Without memory there is no log.
  }
}

void log_output::flush() noexcept {
  for (auto& [name, x] : handlers_)
    x->flush();
}

std::vector<logging::statistics::handler> log_output::stats() const {
  std::vector<logging::statistics::handler> result;
  for (auto& [name, x] : handlers_)
    result.push_back(x->stats());
  return result;
}

} // namespace puma::internal
