// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "benchmarks/puma_bench/workloads.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

/// The values of the workloads. A source makes them, a processor steps them,
/// and a sink eats them, which gives what each adds to the checksum.
namespace puma_bench {

/// Integers, counted up.
class integers {
 public:
  using value_type = std::int64_t;

  [[nodiscard]] value_type make(std::uint64_t index) const noexcept {
    return static_cast<value_type>(index);
  }

  void step(value_type& x) const noexcept { ++x; }

  [[nodiscard]] std::uint64_t eat(value_type x) const noexcept {
    return static_cast<std::uint64_t>(x);
  }

  /// Returns the checksum of `items` values, each stepped `steps` times.
  [[nodiscard]] std::uint64_t expected(std::uint64_t items,
                                       std::uint64_t steps) const noexcept {
    return items * (items - 1) / 2 + items * steps;
  }
};

/// Blocks on the heap: filled by the source, read byte by byte by the sink.
class blocks {
 public:
  using value_type = std::unique_ptr<char[]>;

  explicit blocks(std::size_t bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] value_type make(std::uint64_t index) const {
    value_type result{new char[bytes_]}; // not zeroed, unlike make_unique
    std::memset(result.get(), static_cast<int>(fill(index)), bytes_);
    return result;
  }

  void step(value_type& x) const noexcept { ++x[0]; }

  [[nodiscard]] std::uint64_t eat(const value_type& x) const {
    // No byte is 0; the compiler cannot leave the search out.
    if (std::memchr(x.get(), 0, bytes_))
      throw wrong_result{"a block has been damaged"};
    return static_cast<unsigned char>(x[0]);
  }

  [[nodiscard]] std::uint64_t expected(std::uint64_t items,
                                       std::uint64_t steps) const noexcept {
    std::uint64_t result = 0;
    for (std::uint64_t i = 0; i != items; ++i)
      result += fill(i) + steps;
    return result;
  }

 private:
  static std::uint64_t fill(std::uint64_t index) noexcept {
    return 1 + index % 200;
  }

  std::size_t bytes_;
};

} // namespace puma_bench
