// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/detail/codec_fwd.hpp"
#include "puma/base/detail/codec_runs.hpp"
#include "puma/base/detail/crossing.hpp"
#include "puma/base/detail/inspector.hpp"
#include "puma/base/encoder.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

/// How values with an `inspect` overload are written and read.
namespace puma::detail {

template <class T>
std::string obstacle_text();

struct encode_visitor {
  static constexpr bool is_loading = false;

  explicit encode_visitor(encoder& to) : to_(to) {}

  template <class T>
  bool visit(std::string_view, T& x) {
    using value = std::remove_const_t<T>;
    if constexpr (!obstacle_of<value>())
      encode_value<value>(to_, x);
    else
      throw_cannot_cross(obstacle_text<value>());
    return true;
  }

  bool check(std::string_view, bool accepted) { return accepted; }

 private:
  encoder& to_;
};

struct decode_visitor {
  static constexpr bool is_loading = true;

  decode_visitor(decoder& from, std::string_view type)
    : from_(from),
      type_(type) {}

  template <class T>
  bool visit(std::string_view, T& x) {
    if constexpr (std::is_const_v<T>)
      from_.fail(refused_text(type_, "a constant"));
    else if constexpr (!obstacle_of<T>())
      decode_value(from_, x);
    else
      from_.fail(obstacle_text<T>());
    return from_.ok();
  }

  bool check(std::string_view name, bool accepted) {
    if (!accepted)
      from_.fail(refused_text(type_, name));
    return from_.ok();
  }

 private:
  decoder& from_;
  std::string_view type_;
};

template <class Visitor, class T>
bool run_inspect(inspector<Visitor>& f, T& x) {
  if constexpr (std::is_void_v<decltype(inspect(f, x))>) {
    inspect(f, x);
    return true;
  } else {
    return static_cast<bool>(inspect(f, x));
  }
}

// -- obstacles that the compiler does not see ---------------------------------

template <class T, class Path>
obstacle find_hidden_obstacle();

/// Looks at the fields of overloads that return `bool`, which hides their types
/// from the compiler.
template <class Path>
struct obstacle_visitor {
  static constexpr bool is_loading = false;

  template <class T>
  bool visit(std::string_view, T&) {
    using value = std::remove_const_t<T>;
    if (!found)
      found = find_obstacle<value, path<>>();
    if constexpr (!obstacle_of<value>()) {
      if (!found)
        found = find_hidden_obstacle<value, Path>();
    }
    return true;
  }

  bool check(std::string_view, bool) { return true; }

  obstacle found;
};

template <class Path, class... Parts>
obstacle first_hidden_obstacle(type_list<Parts...>) {
  obstacle result;
  static_cast<void>(
    (static_cast<bool>(result = find_hidden_obstacle<Parts, Path>()) || ...));
  return result;
}

/// `T` must be able to cross, as far as the compiler sees.
template <class T, class Path>
obstacle find_hidden_obstacle() {
  using inner = typename Path::template with<T>;
  if constexpr (Path::template has<T>) {
    return {};
  } else if constexpr (kind_of<T> == kind::inspected) {
    if constexpr (std::is_same_v<inspected_fields_of<T>, unknown_fields>) {
      T blank{};
      inspector<obstacle_visitor<inner>> f;
      run_inspect(f, blank);
      if (f.found && f.found.holder.empty())
        f.found.holder = type_name<T>();
      return f.found;
    } else {
      return first_hidden_obstacle<inner>(parts_of<T>{});
    }
  } else {
    return first_hidden_obstacle<inner>(parts_of<T>{});
  }
}

template <class T>
std::string obstacle_text() {
  auto found = obstacle_of<T>();
  if constexpr (!obstacle_of<T>())
    found = find_hidden_obstacle<T, path<>>();
  if (!found)
    return {};
  return describe_obstacle(type_name<T>(), found.type, found.why, found.holder);
}

// -- codec --------------------------------------------------------------------

template <class T>
void encode_inspected(encoder& to, const T& x) {
  const encode_scope scope{to};
  const auto before = to.size();
  inspector<encode_visitor> f{to};
  // An overload takes objects it may change, but does not change them here.
  if (!run_inspect(f, const_cast<T&>(x)))
    throw_refused(type_name<T>());
  if (to.size() == before)
    to.number(std::uint8_t{0});
}

template <class T>
void decode_inspected(decoder& from, T& x) {
  const decode_scope scope{from};
  if (!scope)
    return;
  const auto before = from.remaining();
  inspector<decode_visitor> f{from, type_name<T>()};
  if (!run_inspect(f, x) && from.ok())
    from.fail(refused_text(type_name<T>(), "inspect"));
  if (from.ok() && from.remaining() == before)
    from.number<std::uint8_t>();
}

} // namespace puma::detail
