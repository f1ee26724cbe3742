// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/crossing.hpp"
#include "puma/actors/detail/making.hpp"
#include "puma/actors/runnable.hpp"
#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma::detail {

/// Collects the buffer handles among the arguments of `run`.
template <class T>
void collect_buffers(std::vector<buffer_core_ptr>& to, const buffer<T>& x) {
  to.push_back(x.shared_core());
}

template <class T>
void collect_buffers(std::vector<buffer_core_ptr>& to,
                     const std::vector<buffer<T>>& xs) {
  for (auto& x : xs)
    to.push_back(x.shared_core());
}

template <class T>
void collect_buffers(std::vector<buffer_core_ptr>&, const T&) {
  // Not a buffer.
}

/// Says why a buffer among the arguments cannot go to another process, which
/// does not depend on its handle.
template <class T>
std::string buffer_obstacle(const buffer<T>& x) {
  auto why = crossing_obstacle<T>();
  return why.empty()
           ? why
           : "the values of buffer '" + std::string{x.name()} + "': " + why;
}

template <class T>
std::string buffer_obstacle(const std::vector<buffer<T>>& xs) {
  return xs.empty() ? std::string{} : buffer_obstacle(xs.front());
}

template <class T>
std::string buffer_obstacle(const T&) {
  return {}; // not a buffer
}

/// As what an argument of `run` is kept: a string literal as a string, because
/// pointers do not cross.
template <class T>
using stored = std::conditional_t<
  std::is_convertible_v<
    T, const char*> && std::is_array_v<std::remove_reference_t<T>>,
  std::string, std::decay_t<T>>;

/// A callable among the arguments of `run`.
template <class F>
struct callable {
  F function;
};

/// How one argument crosses.
template <class T>
struct argument {
  static constexpr bool crosses = can_cross<T>;
  static std::string obstacle() { return crossing_obstacle<T>(); }

  static void encode(encoder& to, const T& x) { puma::encode(to, x); }

  static T decode(decoder& from) {
    T result{};
    puma::decode(from, result);
    return result;
  }

  static T&& pass(T& x) noexcept { return std::move(x); }
};

template <class F>
struct stateful_parts;

template <class F>
struct argument<callable<F>> {
  static constexpr bool has_state = requires { typename F::puma_state; };
  static constexpr bool state_crosses() {
    if constexpr (has_state)
      return can_cross<typename F::
                         puma_state> && is_stateless<typename F::puma_function>;
    else
      return is_stateless<F>;
  }

  static constexpr bool crosses = state_crosses();

  static std::string obstacle() {
    if constexpr (crosses) {
      return {};
    } else if constexpr (has_state) {
      if constexpr (!can_cross<typename F::puma_state>)
        return crossing_obstacle<typename F::puma_state>();
      else
        return "the callable of with_state captures something: pass all of it "
               "as the state";
    } else {
      return "the callable '" + type_name(typeid(F))
             + "' captures something or is a pointer: use a lambda that "
               "captures nothing, or with_state(value, callable)";
    }
  }

  static void encode(encoder& to, const callable<F>& x) {
    if constexpr (has_state)
      puma::encode(to, x.function.state);
    else
      static_cast<void>(to), static_cast<void>(x);
  }

  static callable<F> decode(decoder& from) {
    callable<F> result{};
    if constexpr (has_state)
      puma::decode(from, result.function.state);
    else
      static_cast<void>(from);
    return result;
  }

  static F&& pass(callable<F>& x) noexcept { return std::move(x.function); }
};

/// Whether the first of these is a text.
template <class... Args>
inline constexpr bool is_text_first = false;

template <class... Args>
inline constexpr bool is_text_first<std::string, Args...> = true;

template <class T>
inline constexpr bool can_copy_argument = can_copy<T>;

template <class F>
inline constexpr bool
  can_copy_argument<callable<F>> = std::is_copy_constructible_v<F>;

/// Constructs a `Runnable` from its stored arguments, in its own scope.
template <class Runnable, class... Args>
class constructing_recipe final : public recipe {
 public:
  template <class... Ts>
  explicit constructing_recipe(std::in_place_t, Ts&&... args)
    : args_(std::forward<Ts>(args)...) {
    if constexpr (requires { Runnable::token_argument; }) {
      if constexpr (Runnable::token_argument < sizeof...(Args))
        collect_buffers(buffers, std::get<Runnable::token_argument>(args_));
    } else {
      std::apply(
        [this](const auto&... xs) { (collect_buffers(buffers, xs), ...); },
        args_);
    }
  }

  std::unique_ptr<runnable> make() override {
    return std::apply(
      [](auto&... xs) {
        return make_hosted<Runnable>(argument<Args>::pass(xs)...);
      },
      args_);
  }

  std::unique_ptr<runnable> make_again() const override {
    if constexpr (can_repeat) {
      // Copies first: the constructor may move out of what it gets.
      auto args = args_;
      return std::apply(
        [](auto&... xs) {
          return make_hosted<Runnable>(argument<Args>::pass(xs)...);
        },
        args);
    } else {
      throw usage_error{repeat_obstacle()};
    }
  }

  std::string repeat_obstacle() const override {
    return first_obstacle(
      {(can_copy_argument<Args>
          ? std::string{}
          : "'" + type_name(typeid(Args)) + "' cannot be copied")...});
  }

  std::string name() const override {
    if constexpr (requires { Runnable::token_argument; })
      return std::get<0>(args_);
    else
      return type_name(typeid(Runnable));
  }

  std::string label() const override {
    if constexpr (is_text_first<Args...>)
      return std::get<0>(args_);
    else
      return name();
  }

  std::string obstacle() const override {
    if (auto why = first_obstacle({argument<Args>::obstacle()...});
        !why.empty())
      return why;
    return std::apply(
      [](const auto&... xs) {
        return first_obstacle({buffer_obstacle(xs)...});
      },
      args_);
  }

  std::optional<crossing_key> encode(encoder& to) const override {
    if constexpr (can_cross_at_all) {
      if (!registrar<constructing_recipe>::known())
        return std::nullopt;
      std::apply(
        [&to](const auto&... xs) { (argument<Args>::encode(to, xs), ...); },
        args_);
      return key_of<constructing_recipe>();
    } else {
      static_cast<void>(to);
      return std::nullopt;
    }
  }

  static recipe_ptr decode(decoder& from) {
    if constexpr (can_cross_at_all) {
      // Braces keep the order.
      std::tuple<Args...> args{argument<Args>::decode(from)...};
      if (!from.ok())
        return nullptr;
      return std::apply(
        [](auto&... xs) {
          return std::make_unique<constructing_recipe>(std::in_place,
                                                       std::move(xs)...);
        },
        args);
    } else {
      static_cast<void>(from);
      return nullptr;
    }
  }

 private:
  static constexpr bool can_cross_at_all = (argument<Args>::crosses && ...);
  static constexpr bool can_repeat = (can_copy_argument<Args> && ...);

  std::tuple<Args...> args_;
};

} // namespace puma::detail
