// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace puma::detail {

template <class R, class C, class... Params>
struct method_parts {
  using result = R;
  using object = C; // const for const methods
  using parameters = std::tuple<Params...>;
  static constexpr std::size_t arity = sizeof...(Params);
};

/// What a pointer to a member function says.
template <class M>
struct method_traits;

template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...)> : method_parts<R, C, Ps...> {};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...) const> : method_parts<R, const C, Ps...> {
};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...) noexcept> : method_parts<R, C, Ps...> {};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...) const noexcept>
  : method_parts<R, const C, Ps...> {};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...)&> : method_parts<R, C, Ps...> {};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...) const&> : method_parts<R, const C, Ps...> {
};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...)& noexcept> : method_parts<R, C, Ps...> {};
template <class R, class C, class... Ps>
struct method_traits<R (C::*)(Ps...) const& noexcept>
  : method_parts<R, const C, Ps...> {};

/// The class that a method was declared in.
template <auto Method>
using class_of = std::remove_const_t<
  typename method_traits<decltype(Method)>::object>;

/// Returns how the compiler spells a method, such as `squarer::set_factor`.
template <auto Method>
std::string method_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  text.remove_prefix(text.find("Method = ") + 9);
  text = text.substr(0, text.find(';')); // of the explanations that may follow
  text = text.substr(0, text.rfind(']'));
  // Of a method that needed a conversion, the type is shown, too.
  if (const auto at = text.rfind('&'); at != text.npos)
    text.remove_prefix(at + 1);
  text = text.substr(0, text.find_last_not_of(')') + 1);
  // The class and the method, without namespaces.
  if (const auto at = text.rfind("::"); at != text.npos && at != 0)
    if (const auto outer = text.rfind("::", at - 1); outer != text.npos)
      text.remove_prefix(outer + 2);
  return std::string{text};
}

} // namespace puma::detail
