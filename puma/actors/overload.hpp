// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace puma {

namespace detail {

template <class Signature>
struct overload_choice;

template <class R, class... Ps>
struct overload_choice<R(Ps...)> {
  template <class T>
  constexpr auto operator()(R (T::*x)(Ps...)) const noexcept {
    return x;
  }
};

template <class R, class... Ps>
struct overload_choice<R(Ps...) const> {
  template <class T>
  constexpr auto operator()(R (T::*x)(Ps...) const) const noexcept {
    return x;
  }
};

} // namespace detail

/// Chooses among methods of the same name, for `call` and its like:
///
///     runner.call<puma::overload<int(int) const>(&table::at)>(7);
template <class Signature>
inline constexpr detail::overload_choice<Signature> overload{};

} // namespace puma
