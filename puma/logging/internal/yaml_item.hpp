// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/error.hpp"
#include "puma/logging/log.hpp"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace puma::internal {

using yaml_names = std::vector<std::string_view>;

inline std::string list_of(const yaml_names& words) {
  std::string result;
  for (auto x : words)
    result.append(result.empty() ? "" : ", ").append(x);
  return result;
}

/// A value of the configuration that knows where it stands.
class yaml_item {
 public:
  yaml_item(const YAML::Node& node, const std::string& source, std::string path)
    : node_(node),
      source_(&source),
      path_(std::move(path)) {}

  [[noreturn]] void fail(const std::string& what) const {
    fail_at(node_.Mark(), path_, what);
  }

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// Calls `f(key, item)` for each entry, and checks the keys if `known` has
  /// any.
  template <class F>
  void for_each(const yaml_names& known, F f) const {
    if (!node_.IsMap())
      fail("expected keys and values");
    std::set<std::string> seen;
    for (const auto& entry : node_) {
      if (!entry.first.IsScalar())
        fail_at(entry.first.Mark(), path_, "expected a word as key");
      const auto& key = entry.first.Scalar();
      if (!seen.insert(key).second)
        fail_at(entry.first.Mark(), path_, "'" + key + "' stands here twice");
      if (!known.empty()
          && std::find(known.begin(), known.end(), key) == known.end())
        fail_at(entry.first.Mark(), path_,
                "unknown key '" + key + "'; expected one of " + list_of(known));
      f(key, yaml_item{entry.second, *source_,
                       path_.empty() ? key : path_ + "." + key});
    }
  }

  [[nodiscard]] std::string text() const {
    if (!node_.IsScalar())
      fail("expected a text");
    return node_.Scalar();
  }

  [[nodiscard]] bool boolean() const { return as<bool>("true or false"); }

  [[nodiscard]] std::uint64_t number(std::uint64_t least,
                                     std::uint64_t most) const {
    const auto range = "a whole number from " + std::to_string(least) + " to "
                       + std::to_string(most);
    const auto result = as<std::int64_t>(range.c_str());
    if (result < 0 || static_cast<std::uint64_t>(result) < least
        || static_cast<std::uint64_t>(result) > most)
      fail("expected " + range + ", not " + node_.Scalar());
    return static_cast<std::uint64_t>(result);
  }

  [[nodiscard]] std::vector<yaml_item> items() const {
    if (!node_.IsSequence())
      fail("expected a list, as in [a, b]");
    std::vector<yaml_item> result;
    for (const auto& x : node_)
      result.emplace_back(x, *source_, path_);
    return result;
  }

  /// Returns the value that belongs to the word.
  template <class T>
  T choice(const std::vector<std::pair<std::string_view, T>>& of) const {
    const auto word = text();
    yaml_names known;
    for (auto& [name, value] : of) {
      if (name == word)
        return value;
      known.push_back(name);
    }
    fail("'" + word + "' is unknown; expected one of " + list_of(known));
  }

  [[nodiscard]] log_level level() const {
    std::vector<std::pair<std::string_view, log_level>> all;
    for (auto x : {log_level::trace, log_level::debug, log_level::info,
                   log_level::warning, log_level::error, log_level::critical,
                   log_level::off})
      all.emplace_back(to_string(x), x);
    return choice(all);
  }

 private:
  template <class T>
  T as(const char* expected) const {
    try {
      return node_.as<T>();
    } catch (const YAML::Exception&) {
      fail(std::string{"expected "} + expected
           + (node_.IsScalar() ? ", not '" + node_.Scalar() + "'" : ""));
    }
  }

  [[noreturn]] void fail_at(const YAML::Mark& mark, const std::string& path,
                            const std::string& what) const {
    std::string place = *source_;
    if (!mark.is_null())
      place += ":" + std::to_string(mark.line + 1) + ":"
               + std::to_string(mark.column + 1);
    throw usage_error{place + ": " + (path.empty() ? "" : path + ": ") + what};
  }

  YAML::Node node_;
  const std::string* source_;
  std::string path_;
};

} // namespace puma::internal
