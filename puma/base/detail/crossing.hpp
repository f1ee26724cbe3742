// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/detail/codec_fwd.hpp"
#include "puma/base/detail/fields.hpp"
#include "puma/base/detail/inspector.hpp"

#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

/// Decides for each type how it crosses, or why it does not.
namespace puma::detail {

// -- names --------------------------------------------------------------------

/// Returns how the compiler spells `T`.
template <class T>
constexpr auto type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("T = ") + 4);
  return text.substr(0, text.rfind(']'));
}

/// True for names such as `std::map<int, int>::value_compare`.
constexpr bool is_nested_in_template(std::string_view name) {
  int depth = 0;
  bool closed = false;
  for (const char c : name) {
    if (closed)
      return true;
    if (c == '<')
      ++depth;
    else if (c == '>')
      closed = --depth == 0;
  }
  return false;
}

/// Returns the name of a template or class of namespace std, such as `vector`
/// or `chrono::duration`; empty for all other types. This spares including
/// each header of the standard library.
template <class T>
constexpr std::string_view std_name() {
  std::string_view name = type_name<T>();
  if (!name.starts_with("std::"))
    return {};
  if (is_nested_in_template(name))
    return "a nested type";
  name = name.substr(0, name.find('<'));
  name.remove_prefix(5);
  for (const std::string_view inner : {"__cxx11::", "__debug::", "__1::"})
    if (name.starts_with(inner))
      name.remove_prefix(inner.size());
  return name;
}

template <class... Ts>
struct type_list {
  static constexpr std::size_t size = sizeof...(Ts);
};

template <class T>
struct template_arguments;

template <template <class...> class C, class... Ts>
struct template_arguments<C<Ts...>> {
  using type = type_list<Ts...>;
};

template <class T>
using template_arguments_t = typename template_arguments<T>::type;

// -- kinds --------------------------------------------------------------------

enum class kind : unsigned char {
  none,
  custom,
  inspected,
  number,
  string,
  array,
  sequence,
  set,
  map,
  optional,
  variant,
  tuple,
  complex,
  duration,
  time_point,
  pointer,
  path,
  unit,
  aggregate
};

template <class T>
concept has_custom_codec = !requires {
  typename codec<T>::built_in;
};

constexpr kind kind_of_std(std::string_view name) {
  struct entry {
    std::string_view name;
    kind value;
  };
  constexpr entry entries[] = {
    {"basic_string", kind::string},
    {"array", kind::array},
    {"vector", kind::sequence},
    {"deque", kind::sequence},
    {"list", kind::sequence},
    {"set", kind::set},
    {"multiset", kind::set},
    {"unordered_set", kind::set},
    {"unordered_multiset", kind::set},
    {"map", kind::map},
    {"multimap", kind::map},
    {"unordered_map", kind::map},
    {"unordered_multimap", kind::map},
    {"optional", kind::optional},
    {"variant", kind::variant},
    {"tuple", kind::tuple},
    {"pair", kind::tuple},
    {"complex", kind::complex},
    {"chrono::duration", kind::duration},
    {"chrono::time_point", kind::time_point},
    {"unique_ptr", kind::pointer},
    {"shared_ptr", kind::pointer},
    {"filesystem::path", kind::path},
    {"filesystem::__cxx11::path", kind::path},
    {"monostate", kind::unit},
  };
  for (const auto& x : entries)
    if (x.name == name)
      return x.value;
  return kind::none;
}

template <class T>
constexpr kind find_kind() {
  if constexpr (
    !std::is_object_v<
      T> || std::is_const_v<T> || std::is_volatile_v<T> || std::is_array_v<T>) {
    return kind::none;
  } else if constexpr (thread_only<T>) {
    return kind::none;
  } else if constexpr (has_custom_codec<T>) {
    return kind::custom;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return kind::number;
  } else if constexpr (!std::is_class_v<T>) {
    return kind::none;
  } else if constexpr (!std_name<T>().empty()) {
    return kind_of_std(std_name<T>());
  } else if constexpr (has_inspect<T>) {
    return kind::inspected;
  } else if constexpr (std::is_aggregate_v<T>) {
    return kind::aggregate;
  } else {
    return kind::none;
  }
}

template <class T>
inline constexpr kind kind_of = find_kind<T>();

// -- obstacles ----------------------------------------------------------------

/// Why a type cannot cross; nothing when `why` is empty.
struct obstacle {
  std::string_view type;
  std::string_view why;
  /// The aggregate or container that holds it.
  std::string_view holder;

  constexpr explicit operator bool() const { return !why.empty(); }
};

/// The types that are being looked at, since types may hold themselves.
template <class... Ts>
struct path {
  template <class T>
  static constexpr bool has = (std::is_same_v<T, Ts> || ...);

  template <class T>
  using with = path<T, Ts...>;
};

template <class T, class Path>
constexpr obstacle find_obstacle();

template <class Holder, class Path, class... Parts>
constexpr obstacle first_obstacle() {
  obstacle result;
  static_cast<void>(
    (static_cast<bool>(result = find_obstacle<Parts, Path>()) || ...));
  // A container of the library is nothing that users could change.
  if (result && (result.holder.empty() || result.holder.starts_with("std::")))
    result.holder = type_name<Holder>();
  return result;
}

/// What is wrong with a type of which nothing is known but its name.
template <class T>
constexpr std::string_view complaint_about() {
  constexpr std::string_view name = type_name<T>();
  if constexpr (std::is_reference_v<T>)
    return "is a reference";
  else if constexpr (std::is_const_v<T> || std::is_volatile_v<T>)
    return "is const or volatile, so that nothing can be read into it";
  else if constexpr (std::is_function_v<T>)
    return "is a function";
  else if constexpr (std::is_array_v<T>)
    return "is a C array: use std::array";
  else if constexpr (
    std::is_pointer_v<
      T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>)
    return "is a pointer";
  else if constexpr (!std::is_object_v<T>)
    return "is not an object type";
  else if constexpr (thread_only<T>)
    return "is declared puma::thread_only";
  else if constexpr (std::is_union_v<T>)
    return "is a union";
  else if constexpr (name.find("<lambda") != name.npos
                     || name.find("(lambda") != name.npos)
    return "is the closure of a lambda";
  else if constexpr (std::is_abstract_v<T>)
    return "is an abstract class";
  else if constexpr (std::is_polymorphic_v<T>)
    return "has virtual functions";
  else if constexpr (std_name<T>() == "basic_string_view"
                     || std_name<T>() == "span")
    return "is a view of memory of this process";
  else if constexpr (std_name<T>() == "weak_ptr")
    return "refers to an object of this process";
  else if constexpr (std_name<T>() == "function")
    return "holds code of this process";
  else if constexpr (!std_name<T>().empty())
    return "is not among the standard types that cross";
  else
    return "has constructors of its own or private fields";
}

template <class... Ts>
constexpr bool all_stateless() {
  return ((std::is_empty_v<Ts> && std::is_default_constructible_v<Ts>)&&...);
}

/// True when an ordered or unordered container has nothing but its elements.
template <class T>
constexpr bool is_stateless_container() {
  if constexpr (requires { typename T::hasher; })
    return all_stateless<typename T::hasher, typename T::key_equal>();
  else
    return all_stateless<typename T::key_compare>();
}

template <class... Fields>
constexpr bool has_bit_fields(field_list<Fields...>) {
  return (Fields::is_bit_field || ...);
}

template <class T>
constexpr std::string_view complaint_about_aggregate() {
  constexpr std::string_view why = fields_obstacle<T>();
  if constexpr (!why.empty())
    return why;
  else if constexpr (has_bit_fields(fields_of<T>{}))
    return "has bit fields";
  else
    return {};
}

template <class Element, class Deleter>
constexpr bool owns_array(type_list<Element, Deleter>) {
  return std::is_array_v<Element>;
}

template <class Element>
constexpr bool owns_array(type_list<Element>) {
  return std::is_array_v<Element>;
}

template <class T>
constexpr std::string_view complaint_about_ownership() {
  if constexpr (requires { typename T::deleter_type; })
    return std_name<typename T::deleter_type>() == "default_delete"
             ? ""
             : "has a deleter of its own";
  else
    return std::is_const_v<typename T::element_type>
             ? ""
             : "shares its object within this process: point to a const one";
}

template <class T>
constexpr std::string_view complaint_about_pointer() {
  using element = typename T::element_type;
  if constexpr (constexpr auto why = complaint_about_ownership<T>();
                !why.empty())
    return why;
  else if constexpr (owns_array(template_arguments_t<T>{}))
    return "points to an array: use std::vector";
  else if constexpr (!std::is_object_v<element>)
    return "is a pointer";
  else if constexpr (!requires { sizeof(element); })
    return "points to a type that is only declared";
  else if constexpr (std::is_polymorphic_v<
                       element> && !std::is_final_v<element>)
    return "may point to an object of a derived class";
  else
    return {};
}

/// What is wrong with a type, whatever its parts are; empty if nothing is.
template <class T>
constexpr std::string_view own_complaint() {
  constexpr auto as = kind_of<T>;
  if constexpr (as == kind::none) {
    return complaint_about<T>();
  } else if constexpr (as == kind::custom || as == kind::inspected
                       || as == kind::aggregate) {
    if constexpr (!std::is_default_constructible_v<T>)
      return "has no default constructor";
    else if constexpr (as == kind::aggregate)
      return complaint_about_aggregate<T>();
    else if constexpr (requires { requires !codec<T>::crosses; })
      return "has a codec that refuses it";
    else
      return {};
  } else if constexpr (as == kind::sequence) {
    return std::is_move_constructible_v<typename T::value_type>
             ? ""
             : "has elements that cannot move";
  } else if constexpr (as == kind::set || as == kind::map) {
    return is_stateless_container<T>()
             ? ""
             : "has a comparator or hash function with a state";
  } else if constexpr (as == kind::variant) {
    return template_arguments_t<T>::size <= 255
             ? ""
             : "has more than 255 alternatives";
  } else if constexpr (as == kind::pointer) {
    return complaint_about_pointer<T>();
  } else {
    return {};
  }
}

template <class... Fields>
constexpr auto types_in(field_list<Fields...>) {
  return type_list<typename Fields::type...>{};
}

template <class... Ts>
constexpr auto types_in(type_list<Ts...>) {
  return type_list<Ts...>{};
}

constexpr auto types_in(unknown_fields) {
  return type_list<>{};
}

/// Returns the types that a type without complaints consists of.
template <class T>
constexpr auto find_parts() {
  constexpr auto as = kind_of<T>;
  if constexpr (as == kind::inspected)
    return types_in(inspected_fields_of<T>{});
  else if constexpr (as == kind::aggregate)
    return types_in(fields_of<T>{});
  else if constexpr (as == kind::variant || as == kind::tuple)
    return template_arguments_t<T>{};
  else if constexpr (as == kind::map)
    return type_list<typename T::key_type, typename T::mapped_type>{};
  else if constexpr (as == kind::duration)
    return type_list<typename T::rep>{};
  else if constexpr (as == kind::time_point)
    return type_list<typename T::duration>{};
  else if constexpr (as == kind::pointer)
    return type_list<std::remove_const_t<typename T::element_type>>{};
  else if constexpr (as == kind::string || as == kind::array
                     || as == kind::sequence || as == kind::set
                     || as == kind::optional || as == kind::complex)
    return type_list<typename T::value_type>{};
  else
    return type_list<>{};
}

template <class T>
using parts_of = decltype(find_parts<T>());

template <class T, class Path, class... Parts>
constexpr obstacle obstacle_in(type_list<Parts...>) {
  return first_obstacle<T, Path, Parts...>();
}

template <class T, class Path>
constexpr obstacle find_obstacle() {
  if constexpr (Path::template has<T>) {
    return {};
  } else if constexpr (constexpr auto why = own_complaint<T>(); !why.empty()) {
    return {type_name<T>(), why, {}};
  } else {
    using inner = typename Path::template with<T>;
    constexpr auto found = obstacle_in<T, inner>(parts_of<T>{});
    if constexpr (kind_of<T> == kind::aggregate && found.why.empty()) {
      if constexpr (!pfr_counts<T>(
                      std::make_index_sequence<parts_of<T>::size>{}))
        return {type_name<T>(), "has fields that Boost.PFR cannot count", {}};
    }
    return found;
  }
}

template <class T>
constexpr obstacle obstacle_of() {
  return find_obstacle<T, path<>>();
}

// -- copies -------------------------------------------------------------------

template <class T, class Path>
constexpr bool find_copyable();

template <class Path, class... Parts>
constexpr bool all_copyable(type_list<Parts...>) {
  return (find_copyable<Parts, Path>() && ...);
}

/// `std::is_copy_constructible` says yes for a vector of what cannot be copied.
template <class T, class Path>
constexpr bool find_copyable() {
  if constexpr (!std::is_copy_constructible_v<T>)
    return false;
  else if constexpr (kind_of<T> == kind::pointer)
    return true; // it shares its object
  else if constexpr (Path::template has<T> || !own_complaint<T>().empty())
    return true;
  else
    return all_copyable<typename Path::template with<T>>(parts_of<T>{});
}

/// Whether copies of a `T` can be made, as far as can be told without trying.
template <class T>
inline constexpr bool can_copy = find_copyable<T, path<>>();

// -- blocks -------------------------------------------------------------------

template <class T>
constexpr bool find_block();

/// True for types whose values are one run of bytes that are all meaningful,
/// and of which each combination is a value.
template <class T>
inline constexpr bool is_block = find_block<T>();

template <class T, class... Fields>
constexpr bool is_block_of(field_list<Fields...>) {
  return sizeof...(Fields) != 0 && (is_block<typename Fields::type> && ...)
         && (sizeof(typename Fields::type) + ... + 0) == sizeof(T);
}

template <class T>
constexpr bool is_plain_number() {
  if constexpr (std::is_enum_v<T>)
    return !std::is_same_v<std::underlying_type_t<T>, bool>;
  else
    return !std::is_same_v<T, bool>;
}

/// `T` must be able to cross.
template <class T>
constexpr bool find_block() {
  constexpr auto as = kind_of<T>;
  if constexpr (as == kind::number)
    return is_plain_number<T>();
  else if constexpr (!std::is_trivially_copyable_v<T>)
    return false;
  else if constexpr (as == kind::array)
    return std::tuple_size_v<T> != 0 && is_block<typename T::value_type>;
  else if constexpr (as == kind::duration)
    return is_block<typename T::rep>;
  else if constexpr (as == kind::time_point)
    return is_block<typename T::duration>;
  else if constexpr (as == kind::complex)
    return is_block<typename T::value_type>;
  else if constexpr (as == kind::aggregate)
    return is_block_of<T>(fields_of<T>{});
  else
    return false;
}

} // namespace puma::detail
