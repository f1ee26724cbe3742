// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/constructing.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/actors/source_runnable.hpp"

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

/// Runnables made from functions. Each factory takes a name, buffers and a
/// callable, and returns a recipe for `environment::run`. The callable is moved
/// to the runnable's scope and called there, one call at a time.
namespace puma {

/// A recipe for a runnable, returned by the factories below.
template <class Runnable>
class function_recipe {
 public:
  using runnable_type = Runnable;

  explicit function_recipe(detail::recipe_ptr recipe) noexcept
    : recipe_(std::move(recipe)) {}

  [[nodiscard]] detail::recipe_ptr release() && noexcept {
    return std::move(recipe_);
  }

 private:
  detail::recipe_ptr recipe_;
};

namespace detail {

template <class Runnable, class... Args>
function_recipe<Runnable> make_function_recipe(Args... args) {
  return function_recipe<Runnable>{
    std::make_unique<constructing_recipe<Runnable, Args...>>(
      std::in_place, std::move(args)...)};
}

template <class T, class F>
class generating final : public source_runnable {
 public:
  /// Which argument of the factory it publishes to.
  static constexpr std::size_t token_argument = 1;

  generating(std::string name, const buffer<T>& out, F&& function)
    : source_runnable(std::move(name)),
      out_(publish_to(out)),
      function_(std::move(function)) {}

 protected:
  bool on_demand() override {
    std::optional<T> value = function_();
    if (!value)
      return false;
    return out_.publish(std::move(*value)) != publish_result::closed;
  }

 private:
  publisher<T> out_;
  F function_;
};

template <class In, class Out, class F>
class transforming final : public single_buffer_servicing_runnable<In> {
 public:
  /// Which argument of the factory it publishes to.
  static constexpr std::size_t token_argument = 2;

  transforming(std::string name, const buffer<In>& in, const buffer<Out>& out,
               F&& function)
    : single_buffer_servicing_runnable<In>(std::move(name), in),
      out_(this->publish_to(out)),
      function_(std::move(function)) {}

 protected:
  void on_value(In& value) override {
    out_.publish(Out(std::invoke(function_, std::move(value))));
  }

 private:
  publisher<Out> out_;
  F function_;
};

template <class T, class F>
class filtering final : public single_buffer_servicing_runnable<T> {
 public:
  /// Which argument of the factory it publishes to.
  static constexpr std::size_t token_argument = 2;

  filtering(std::string name, const buffer<T>& in, const buffer<T>& out,
            F&& function)
    : single_buffer_servicing_runnable<T>(std::move(name), in),
      out_(this->publish_to(out)),
      function_(std::move(function)) {}

 protected:
  void on_value(T& value) override {
    if (std::invoke(function_, std::as_const(value)))
      out_.publish(std::move(value));
  }

 private:
  publisher<T> out_;
  F function_;
};

template <class In, class Out, class F>
class flat_mapping final : public single_buffer_servicing_runnable<In> {
 public:
  /// Which argument of the factory it publishes to.
  static constexpr std::size_t token_argument = 2;

  flat_mapping(std::string name, const buffer<In>& in, const buffer<Out>& out,
               F&& function)
    : single_buffer_servicing_runnable<In>(std::move(name), in),
      out_(this->publish_to(out, {.outbox = unlimited_outbox})),
      function_(std::move(function)) {}

 protected:
  void on_value(In& value) override {
    if constexpr (std::invocable<F&, In&&, publisher<Out>&>) {
      std::invoke(function_, std::move(value), out_);
    } else {
      for (auto&& part : std::invoke(function_, std::move(value)))
        out_.publish(Out(std::move(part)));
    }
  }

 private:
  publisher<Out> out_;
  F function_;
};

template <class T, class F>
class consuming final : public single_buffer_servicing_runnable<T> {
 public:
  /// Which argument of the factory it publishes to.
  static constexpr std::size_t token_argument = static_cast<std::size_t>(-1);

  consuming(std::string name, const buffer<T>& in, F&& function)
    : single_buffer_servicing_runnable<T>(std::move(name), in),
      function_(std::move(function)) {}

 protected:
  void on_value(T& value) override { std::invoke(function_, std::move(value)); }

 private:
  F function_;
};

} // namespace detail

/// A callable together with its state, which is passed to it as the first
/// argument. See `with_state`.
template <class State, class F>
struct stateful {
  using puma_state = State;
  using puma_function = F;

  State state;
  [[no_unique_address]] F function;

  template <class... Args>
    requires std::invocable<F&, State&, Args...>
  decltype(auto) operator()(Args&&... args) {
    return std::invoke(function, state, std::forward<Args>(args)...);
  }
};

/// Makes a callable with a state that can go to another process, as a lambda
/// with captures cannot: `function(state&, …)` is called for each call. There,
/// `function` must not capture anything.
template <class State, class F>
[[nodiscard]] stateful<State, F> with_state(State state, F function) {
  return {std::move(state), std::move(function)};
}

/// A source: publishes what `function` returns until that is `std::nullopt`.
/// `function()` returns something convertible to `std::optional<T>`.
template <class T, class F>
[[nodiscard]] auto generate(std::string name, const buffer<T>& out,
                            F function) {
  static_assert(
    std::is_convertible_v<std::invoke_result_t<F&>, std::optional<T>>,
    "generate: the function must return a std::optional of the "
    "buffer's value type, empty at the end");
  using result = detail::generating<T, F>;
  return detail::make_function_recipe<result>(
    std::move(name), out, detail::callable<F>{std::move(function)});
}

/// Publishes `function(value)` for each value.
template <class In, class Out, class F>
[[nodiscard]] auto transform(std::string name, const buffer<In>& in,
                             const buffer<Out>& out, F function) {
  static_assert(std::is_constructible_v<Out, std::invoke_result_t<F&, In&&>>,
                "transform: the function must take a value of the input and "
                "return one of the output");
  using result = detail::transforming<In, Out, F>;
  return detail::make_function_recipe<result>(
    std::move(name), in, out, detail::callable<F>{std::move(function)});
}

/// Publishes the values for which `predicate(const value&)` holds.
template <class T, class F>
[[nodiscard]] auto filter(std::string name, const buffer<T>& in,
                          const buffer<T>& out, F predicate) {
  static_assert(std::predicate<F&, const T&>,
                "filter: the function must take a value and return a bool");
  using result = detail::filtering<T, F>;
  return detail::make_function_recipe<result>(
    std::move(name), in, out, detail::callable<F>{std::move(predicate)});
}

/// Publishes any number of values for each one: either all elements of the
/// range that `function(value)` returns, or what `function(value, publisher)`
/// publishes itself. What one value gives is not bounded by the buffer, but the
/// next value waits until it all had room.
template <class In, class Out, class F>
[[nodiscard]] auto flat_map(std::string name, const buffer<In>& in,
                            const buffer<Out>& out, F function) {
  using result = detail::flat_mapping<In, Out, F>;
  return detail::make_function_recipe<result>(
    std::move(name), in, out, detail::callable<F>{std::move(function)});
}

/// Calls `function(value)` for each value.
template <class T, class F>
[[nodiscard]] auto for_each(std::string name, const buffer<T>& in, F function) {
  static_assert(std::invocable<F&, T&&>,
                "for_each: the function must take a value");
  using result = detail::consuming<T, F>;
  return detail::make_function_recipe<result>(
    std::move(name), in, detail::callable<F>{std::move(function)});
}

} // namespace puma
