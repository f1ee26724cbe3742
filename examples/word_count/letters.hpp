// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <array>
#include <cstddef>

namespace word_count {

namespace detail {

constexpr std::array<char, 256> make_lower_case_table() {
  std::array<char, 256> result{};
  for (char c = 'a'; c <= 'z'; ++c) {
    result[static_cast<std::size_t>(c)] = c;
    result[static_cast<std::size_t>(c - 'a' + 'A')] = c;
  }
  return result;
}

inline constexpr auto lower_case_table = make_lower_case_table();

} // namespace detail

/// Returns the ASCII letter `c` in lower case, and NUL for all other bytes.
[[nodiscard]] constexpr char lower_case(char c) noexcept {
  return detail::lower_case_table[static_cast<unsigned char>(c)];
}

[[nodiscard]] constexpr bool is_letter(char c) noexcept {
  return lower_case(c) != '\0';
}

} // namespace word_count
