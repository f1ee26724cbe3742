// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "benchmarks/puma_bench/workloads.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

/// The values of the workloads. A source makes them, a processor steps them,
/// and a sink eats them, which gives what each adds to the checksum.
namespace puma_bench {

/// Integers, counted up.
struct integers {
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

/// Returns what fills each byte of a block; never 0.
[[nodiscard]] constexpr std::uint64_t fill_of(std::uint64_t index) noexcept {
  return 1 + index % 200;
}

/// Reads every byte of a block and returns one of them.
inline std::uint64_t read_block(const char* data, std::size_t bytes) {
  // No byte is 0; the compiler cannot leave the search out.
  if (std::memchr(data, 0, bytes))
    throw wrong_result{"a block has been damaged"};
  return static_cast<unsigned char>(*data);
}

/// Returns the checksum of `items` blocks, each stepped `steps` times.
inline std::uint64_t expected_of_blocks(std::uint64_t items,
                                        std::uint64_t steps) noexcept {
  std::uint64_t result = 0;
  for (std::uint64_t i = 0; i != items; ++i)
    result += fill_of(i) + steps;
  return result;
}

/// Blocks on the heap: filled by the source, read byte by byte by the sink.
struct blocks {
  using value_type = std::unique_ptr<char[]>;

  std::size_t bytes = 0;

  [[nodiscard]] value_type make(std::uint64_t index) const {
    value_type result{new char[bytes]}; // not zeroed, unlike make_unique
    std::memset(result.get(), static_cast<int>(fill_of(index)), bytes);
    return result;
  }

  void step(value_type& x) const noexcept { ++x[0]; }

  [[nodiscard]] std::uint64_t eat(const value_type& x) const {
    return read_block(x.get(), bytes);
  }

  [[nodiscard]] std::uint64_t expected(std::uint64_t items,
                                       std::uint64_t steps) const noexcept {
    return expected_of_blocks(items, steps);
  }
};

/// The same as strings, which know their size and therefore may go to another
/// process.
struct crossing_blocks {
  using value_type = std::string;

  std::size_t bytes = 0;

  [[nodiscard]] value_type make(std::uint64_t index) const {
    return value_type(bytes, static_cast<char>(fill_of(index)));
  }

  void step(value_type& x) const noexcept { ++x[0]; }

  [[nodiscard]] std::uint64_t eat(const value_type& x) const {
    if (x.size() != bytes)
      throw wrong_result{"a block has another size"};
    return read_block(x.data(), bytes);
  }

  [[nodiscard]] std::uint64_t expected(std::uint64_t items,
                                       std::uint64_t steps) const noexcept {
    return expected_of_blocks(items, steps);
  }
};

} // namespace puma_bench
