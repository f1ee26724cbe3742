// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

/// What the compiler can tell about the fields of an aggregate without failing.
/// Boost.PFR stops the compiler at a base class, a C array, a bit field and
/// more, so all of these are found here before PFR sees the type.
namespace puma::detail {

template <class T, bool IsBitField>
struct field {
  using type = T;
  static constexpr bool is_bit_field = IsBitField;
};

template <class... Fields>
struct field_list {};

/// One rung per number of fields: how to initialise so many of them with empty
/// braces, and how to name them.
template <std::size_t Count>
struct rung;

template <>
struct rung<0> {
  template <class T, class... More>
  static constexpr bool takes = requires {
    T{std::declval<More>()...};
  };

  template <class T>
  static field_list<> fields_of(T& x);
};

template <class T>
inline constexpr bool may_be_bits = std::is_integral_v<T> || std::is_enum_v<T>;

// clang-format off
#define PUMA_BRACES(x) {}
#define PUMA_NAME(x) x
#if defined(__clang__) && __clang_major__ < 16
// Cannot ask: a bit field makes Boost.PFR stop the compiler.
#  define PUMA_FIELD(x) field<decltype(x), false>
#else
#  define PUMA_FIELD(x) \
    field<decltype(x), may_be_bits<decltype(x)> && !requires { &x; }>
#endif
// clang-format on
#define PUMA_1(m, x) m(x##1)
#define PUMA_2(m, x) PUMA_1(m, x), m(x##2)
#define PUMA_3(m, x) PUMA_2(m, x), m(x##3)
#define PUMA_4(m, x) PUMA_3(m, x), m(x##4)
#define PUMA_5(m, x) PUMA_4(m, x), m(x##5)
#define PUMA_6(m, x) PUMA_5(m, x), m(x##6)
#define PUMA_7(m, x) PUMA_6(m, x), m(x##7)
#define PUMA_8(m, x) PUMA_7(m, x), m(x##8)
#define PUMA_ROWS_0(m)
#define PUMA_ROWS_1(m) PUMA_8(m, a),
#define PUMA_ROWS_2(m) PUMA_ROWS_1(m) PUMA_8(m, b),
#define PUMA_ROWS_3(m) PUMA_ROWS_2(m) PUMA_8(m, c),
#define PUMA_ROWS_4(m) PUMA_ROWS_3(m) PUMA_8(m, d),
#define PUMA_ROWS_5(m) PUMA_ROWS_4(m) PUMA_8(m, e),
#define PUMA_ROWS_6(m) PUMA_ROWS_5(m) PUMA_8(m, f),
#define PUMA_ROWS_7(m) PUMA_ROWS_6(m) PUMA_8(m, g),
#define PUMA_RUNG(rows, rest) \
  template <> \
  struct rung<8 * rows + rest> { \
    template <class T, class... More> \
    static constexpr bool takes = requires { \
      T{PUMA_ROWS_##rows(PUMA_BRACES) PUMA_##rest(PUMA_BRACES, x), \
        std::declval<More>()...}; \
    }; \
    template <class T> \
    static auto fields_of(T& object) { \
      auto& [PUMA_ROWS_##rows(PUMA_NAME) PUMA_##rest(PUMA_NAME, x)] = object; \
      return field_list<PUMA_ROWS_##rows(PUMA_FIELD) \
                          PUMA_##rest(PUMA_FIELD, x)>{}; \
    } \
  };
#define PUMA_EIGHT_RUNGS(rows) \
  PUMA_RUNG(rows, 1) \
  PUMA_RUNG(rows, 2) \
  PUMA_RUNG(rows, 3) \
  PUMA_RUNG(rows, 4) \
  PUMA_RUNG(rows, 5) \
  PUMA_RUNG(rows, 6) \
  PUMA_RUNG(rows, 7) \
  PUMA_RUNG(rows, 8)

PUMA_EIGHT_RUNGS(0)
PUMA_EIGHT_RUNGS(1)
PUMA_EIGHT_RUNGS(2)
PUMA_EIGHT_RUNGS(3)
PUMA_EIGHT_RUNGS(4)
PUMA_EIGHT_RUNGS(5)
PUMA_EIGHT_RUNGS(6)
PUMA_EIGHT_RUNGS(7)

#undef PUMA_EIGHT_RUNGS
#undef PUMA_RUNG
#undef PUMA_ROWS_7
#undef PUMA_ROWS_6
#undef PUMA_ROWS_5
#undef PUMA_ROWS_4
#undef PUMA_ROWS_3
#undef PUMA_ROWS_2
#undef PUMA_ROWS_1
#undef PUMA_ROWS_0
#undef PUMA_8
#undef PUMA_7
#undef PUMA_6
#undef PUMA_5
#undef PUMA_4
#undef PUMA_3
#undef PUMA_2
#undef PUMA_1
#undef PUMA_FIELD
#undef PUMA_NAME
#undef PUMA_BRACES

/// An aggregate may have fewer fields than this.
inline constexpr std::size_t max_fields = 64;

/// Returns how many fields (bases and anonymous members included) may be
/// initialised with empty braces.
template <class T, std::size_t Count = 0>
constexpr std::size_t count_fields() {
  if constexpr (Count < max_fields) {
    if constexpr (rung<Count + 1>::template takes<T>)
      return count_fields<T, Count + 1>();
    else
      return Count;
  } else {
    return Count;
  }
}

// These convert to whatever a field may be. None of them is ever called.

struct any_value {
  template <class U>
  operator U() const&& noexcept;
};

struct any_reference {
  template <class U>
  operator U&() const&& noexcept;
  template <class U>
  operator U&() const& noexcept;
};

template <class T>
struct any_base_value {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  operator U() const&& noexcept;
};

template <class T>
struct any_base_reference {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  operator U&() const&& noexcept;
};

template <class U>
constexpr bool is_unnamed() {
  std::string_view name = __PRETTY_FUNCTION__;
  return name.find("<unnamed ") != name.npos
         || name.find("(unnamed ") != name.npos
         || name.find("(anonymous struct") != name.npos
         || name.find("(anonymous class") != name.npos;
}

/// What an anonymous member may be. Naming the fields around one fails.
struct any_union_or_unnamed {
  template <class U>
    requires(std::is_union_v<U> || (std::is_class_v<U> && is_unnamed<U>()))
  operator U() const&& noexcept;
};

template <class T>
constexpr bool has_base() {
  return rung<0>::takes<
           T, any_base_value<T>> || rung<0>::takes<T, any_base_reference<T>>;
}

template <class T, std::size_t... I>
constexpr bool has_anonymous_members(std::index_sequence<I...>) {
  return (rung<I>::template takes<T, any_union_or_unnamed> || ...);
}

/// True when there are fields beyond the `Count` ones that take empty braces.
template <class T, std::size_t Count>
constexpr bool has_more_fields() {
  return rung<Count>::template takes<
           T, any_value> || rung<Count>::template takes<T, any_reference>;
}

template <std::size_t>
using reference_at = any_reference;

template <std::size_t>
using value_at = any_value;

/// True when Boost.PFR will count `sizeof...(I)` fields: it initialises all of
/// them with something that converts to anything, which not each type allows.
template <class T, std::size_t... I>
constexpr bool pfr_counts(std::index_sequence<I...>) {
  if constexpr (std::is_copy_constructible_v<T>)
    return rung<0>::takes<T, reference_at<I>...>;
  else
    return rung<0>::takes<T, value_at<I>...>;
}

/// Why the fields of an aggregate cannot be walked; empty if they can. Arrays
/// and bit fields are known only after that.
template <class T>
constexpr const char* fields_obstacle() {
  constexpr std::size_t count = count_fields<T>();
  if constexpr (has_base<T>())
    return "is an aggregate with a base class";
  else if constexpr (count >= max_fields)
    return "has more than 63 fields";
  else if constexpr (count == 0)
    return std::is_empty_v<T> ? "" : "has fields that cannot be told apart";
  else if constexpr (has_anonymous_members<T>(
                       std::make_index_sequence<count>{}))
    return "has a union or an unnamed struct among its fields";
  else if constexpr (has_more_fields<T, count>())
    return "has a field without a default constructor";
  else
    return "";
}

/// The fields of `T`, whose `fields_obstacle` must be empty.
template <class T>
using fields_of = decltype(rung<count_fields<T>()>::fields_of(
  std::declval<T&>()));

} // namespace puma::detail
