// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/crossing.hpp"
#include "puma/base/codec.hpp"

#include <boost/pfr/core.hpp>

#include <concepts>
#include <cstddef>
#include <iomanip>
#include <ostream>
#include <ranges>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

/// Writes values as text, for people.
namespace puma::detail {

/// Of a range, so many elements are written.
inline constexpr std::size_t most_printed = 32;

template <class T>
concept is_streamable = requires(std::ostream& to, const T& x) {
  to << x;
};

template <class T>
concept is_pointer_like = requires(const T& x) {
  static_cast<bool>(x);
  *x;
};

template <class T>
concept is_tuple_like = requires {
  std::tuple_size<T>::value;
};

template <class T>
void print(std::ostream& to, const T& x);

/// Writes `a, b, c` between brackets.
class printed_list {
 public:
  printed_list(std::ostream& to, char open, char close)
    : to_(to),
      close_(close) {
    to_ << open;
  }

  printed_list(const printed_list&) = delete;
  printed_list& operator=(const printed_list&) = delete;

  ~printed_list() { to_ << close_; }

  template <class T>
  void add(const T& x) {
    to_ << (first_ ? "" : ", ");
    first_ = false;
    print(to_, x);
  }

 private:
  std::ostream& to_;
  const char close_;
  bool first_ = true;
};

template <class T>
void print(std::ostream& to, const T& x) {
  if constexpr (std::same_as<T, bool>) {
    to << (x ? "true" : "false");
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    to << std::quoted(std::string_view{x});
  } else if constexpr (std::is_enum_v<T>) {
    to << +static_cast<std::underlying_type_t<T>>(x);
  } else if constexpr (std::same_as<
                         T, signed char> || std::same_as<T, unsigned char>) {
    to << +x;
  } else if constexpr (is_streamable<T> && !std::is_pointer_v<T>) {
    to << x;
  } else if constexpr (std::ranges::input_range<const T>) {
    printed_list list{to, '[', ']'};
    std::size_t count = 0;
    for (const auto& element : x)
      if (++count <= most_printed)
        list.add(element);
    if (count > most_printed)
      to << ", and " << count - most_printed << " more";
  } else if constexpr (is_pointer_like<T> && !std::is_pointer_v<T>) {
    if (x)
      print(to, *x);
    else
      to << "nothing";
  } else if constexpr (is_tuple_like<T>) {
    printed_list list{to, '(', ')'};
    std::apply([&list](const auto&... parts) { (list.add(parts), ...); }, x);
  } else if constexpr (kind_of<T> == kind::aggregate && can_cross<T>) {
    printed_list list{to, '{', '}'};
    boost::pfr::for_each_field(x,
                               [&list](const auto& part) { list.add(part); });
  } else {
    to << "a value of type " << type_name(typeid(T));
  }
}

template <class T>
std::string text_of(const T& x) {
  std::ostringstream result;
  print(result, x);
  return std::move(result).str();
}

} // namespace puma::detail
