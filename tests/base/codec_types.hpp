// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// Types whose values cross, for the tests of the codec.
namespace codec_types {

enum class colour : std::uint8_t { red, green };

struct empty {
  friend bool operator==(const empty&, const empty&) = default;
};

/// One block: no padding, no bool.
struct point {
  double x = 0;
  double y = 0;
  friend bool operator==(const point&, const point&) = default;
};

/// Not a block: a bool and padding.
struct sample {
  std::int64_t time = 0;
  bool valid = false;
  point where;
  friend bool operator==(const sample&, const sample&) = default;
};

struct record {
  std::int64_t id = 0;
  std::string name;
  std::vector<sample> samples;
  std::map<std::string, std::vector<int>> index;
  std::optional<colour> paint;
  std::variant<std::monostate, int, std::string> value;
  empty nothing;
  friend bool operator==(const record&, const record&) = default;
};

struct tree {
  int value = 0;
  std::vector<tree> children;
  friend bool operator==(const tree&, const tree&) = default;
};

struct chain {
  std::unique_ptr<chain> next;
};

// [inspect]
/// CAF's form since 0.18, with private fields.
class account {
 public:
  account() = default;
  account(std::string owner, int balance)
    : owner_(std::move(owner)),
      balance_(balance) {}

  template <class Inspector>
  friend bool inspect(Inspector& f, account& x) {
    return f.object(x).pretty_name("account").fields(
      f.field("owner", x.owner_).fallback("nobody"),
      f.field("balance", x.balance_).invariant([](int balance) {
        return balance >= 0;
      }));
  }

  friend bool operator==(const account&, const account&) = default;

 private:
  std::string owner_;
  int balance_ = 0;
};
// [inspect]

/// CAF's form until 0.17.
struct pair_of_texts {
  std::string first;
  std::string second;

  template <class Inspector>
  friend auto inspect(Inspector& f, pair_of_texts& x) {
    return f(x.first, x.second);
  }

  friend bool operator==(const pair_of_texts&, const pair_of_texts&) = default;
};

inline record make_record() {
  record x;
  x.id = -7;
  x.name = "a name beyond the small string";
  x.samples = {{1, true, {0.5, -0.0}}, {2, false, {1e300, -1}}};
  x.index = {{"one", {1}}, {"none", {}}, {"more", {1, 2, 3}}};
  x.paint = colour::green;
  x.value = "text";
  return x;
}

inline tree make_tree() {
  return {1, {{2, {}}, {3, {{4, {}}, {5, {{6, {}}}}}}}};
}

} // namespace codec_types
