// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace puma_test {

/// Damages what goes over a wire, at random but the same way for each seed.
class mutator {
 public:
  using frame = std::vector<std::byte>;

  explicit mutator(std::uint64_t seed) : random_(seed) {}

  /// Damages `x` in one way.
  void operator()(frame& x) {
    const auto at = x.empty() ? 0 : number(x.size());
    switch (number(6)) {
    case 0: // flip a bit
      if (!x.empty())
        x[at] ^= static_cast<std::byte>(1U << number(8));
      break;
    case 1: // cut the end off
      x.resize(at);
      break;
    case 2: // insert
      x.insert(x.begin() + static_cast<std::ptrdiff_t>(at), any_byte());
      break;
    case 3: // leave out
      if (!x.empty())
        x.erase(x.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 4: // a byte that is often a length
      if (!x.empty())
        x[at] = any_byte();
      break;
    default: // a long length, huge or such that it might fit
      const std::uint64_t length = number(2) == 0 ? random_() : number(300);
      const auto* bytes = reinterpret_cast<const std::byte*>(&length);
      x.resize(std::max(x.size(), at + 9));
      x[at] = std::byte{255};
      std::copy_n(bytes, 8, x.begin() + static_cast<std::ptrdiff_t>(at) + 1);
      break;
    }
  }

  /// Returns a number below `limit`.
  std::size_t number(std::size_t limit) { return random_() % limit; }

 private:
  std::byte any_byte() { return static_cast<std::byte>(number(256)); }

  std::mt19937_64 random_;
};

} // namespace puma_test
