// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"
#include "puma/actors/detail/crossing.hpp"
#include "puma/actors/detail/method_traits.hpp"
#include "puma/actors/detail/references.hpp"
#include "puma/actors/runnable.hpp"
#include "puma/base/codec.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace puma {

template <class T>
class remote;

} // namespace puma

namespace puma::detail {

// -- results ------------------------------------------------------------------

/// Whether a result stays in its scope, and comes back as a reference.
template <class R>
constexpr bool stays() {
  using value = std::remove_cvref_t<R>;
  if constexpr (std::is_void_v<R> || !std::is_class_v<value>)
    return false;
  else if constexpr (thread_only<value>)
    return std::is_reference_v<R> && !std::is_copy_constructible_v<value>;
  else
    return !can_cross<
             value> || (std::is_lvalue_reference_v<R> && !std::is_copy_constructible_v<value>);
}

template <class R>
struct answer_of {
  using type = std::remove_cvref_t<R>;
};

template <class R>
  requires(stays<R>())
struct answer_of<R> {
  using type = remote<std::remove_reference_t<R>>;
};

/// What a call of `Method` returns.
template <auto Method>
using answer_t = typename answer_of<
  typename method_traits<decltype(Method)>::result>::type;

/// A call whose result is a `T`.
template <class T>
class call_with_result : public call_core {
 public:
  using call_core::call_core;

  using stored_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  /// @pre the answer is there, and no error
  T take() {
    if constexpr (!std::is_void_v<T>)
      return std::move(*result_);
  }

  void encode_result(encoder& to) const override {
    if constexpr (can_cross<stored_type>)
      puma::encode(to, *result_);
  }

  void decode_result(decoder& from) override {
    if constexpr (can_cross<stored_type>) {
      result_.emplace();
      puma::decode(from, *result_);
    }
  }

 protected:
  std::optional<stored_type> result_;
};

// -- calls --------------------------------------------------------------------

template <class Parameters>
struct stored_arguments;

template <class... Ps>
struct stored_arguments<std::tuple<Ps...>> {
  using type = std::tuple<std::remove_cvref_t<Ps>...>;

  static constexpr bool cross = (can_cross<std::remove_cvref_t<Ps>> && ...);

  /// An argument that the method changes would change nothing for the caller.
  static constexpr bool are_inputs = ((
    !std::is_lvalue_reference_v<
      Ps> || std::is_const_v<std::remove_reference_t<Ps>>)&&...);

  template <class... Args>
  static constexpr bool accepts() {
    if constexpr (sizeof...(Args) == sizeof...(Ps))
      return (std::is_convertible_v<Args&&, std::remove_cvref_t<Ps>> && ...);
    else
      return false;
  }

  static std::string obstacle() {
    return first_obstacle({crossing_obstacle<std::remove_cvref_t<Ps>>()...});
  }
};

/// A call of `Method` of an object of which an `Object` is known: of a runnable
/// that is one, or of an object that a scope keeps.
template <auto Method, class Object>
class method_call final : public call_with_result<answer_t<Method>> {
  using traits = method_traits<decltype(Method)>;
  using base = call_with_result<answer_t<Method>>;
  using stored = stored_arguments<typename traits::parameters>;
  using arguments = typename stored::type;

 public:
  using mode = call_core::mode;

  template <class... Args>
  explicit method_call(mode how, Args&&... args)
    : base(info(), how),
      args_(std::forward<Args>(args)...) {}

  [[nodiscard]] std::string obstacle() const override {
    if constexpr (can_cross_at_all) {
      return {};
    } else {
      const auto why = stored::obstacle();
      return !why.empty() ? why
                          : "the result: "
                              + crossing_obstacle<typename base::stored_type>();
    }
  }

  [[nodiscard]] std::optional<crossing_key>
  encode_arguments(encoder& to) const override {
    if constexpr (can_cross_at_all) {
      if (!registrar<method_call>::known())
        return std::nullopt;
      to.number(this->how());
      std::apply([&to](const auto&... xs) { (puma::encode(to, xs), ...); },
                 args_);
      return key_of<method_call>();
    } else {
      static_cast<void>(to);
      return std::nullopt;
    }
  }

  static call_ptr decode(decoder& from) {
    if constexpr (can_cross_at_all) {
      const auto how = from.number<mode>();
      auto result = std::make_shared<method_call>(how);
      std::apply([&from](auto&... xs) { (puma::decode(from, xs), ...); },
                 result->args_);
      return from.ok() && how <= mode::one_way ? result : nullptr;
    } else {
      static_cast<void>(from);
      return nullptr;
    }
  }

 protected:
  void execute(internal::task& where) override {
    run_on(resolve(where), where, std::make_index_sequence<traits::arity>{});
  }

 private:
  static constexpr bool can_cross_at_all = stored::cross
                                           && can_cross<
                                             typename base::stored_type>;

  static method_info& info() {
    static method_info instance{
      method_name<Method>(), "call of " + method_name<Method>(), {}};
    return instance;
  }

  typename traits::object& resolve(internal::task& where) const {
    if (this->object == own_object)
      if (auto* x = dynamic_cast<typename traits::object*>(&runnable_in(where)))
        return *x;
    auto* x = object_in(where, this->object, typeid(Object));
    if (!x)
      throw_wrong_type(where, info());
    return *static_cast<Object*>(x);
  }

  template <std::size_t I>
  using parameter = std::tuple_element_t<I, typename traits::parameters>;

  template <std::size_t... Is>
  void run_on(typename traits::object& x, internal::task& where,
              std::index_sequence<Is...>) {
    using result = typename traits::result;
    const auto call = [&]() -> result {
      return (x.*Method)(std::forward<parameter<Is>>(std::get<Is>(args_))...);
    };
    if constexpr (std::is_void_v<result>) {
      static_cast<void>(where);
      call();
      this->result_.emplace();
    } else if constexpr (!stays<result>()) {
      static_cast<void>(where);
      this->result_.emplace(call());
    } else if constexpr (std::is_lvalue_reference_v<result>) {
      this->result_.emplace(refer_in(where, lend(call())));
    } else {
      this->result_.emplace(refer_in(
        where, std::make_unique<owned_object<std::remove_cvref_t<result>>>(
                 std::in_place, call)));
    }
  }

  arguments args_;
};

/// Makes a call of `Method` of an `Object`, or says at compile time why that is
/// not possible.
template <auto Method, class Object, class... Args>
auto make_method_call(call_core::mode how, Args&&... args) {
  using traits = method_traits<decltype(Method)>;
  using stored = stored_arguments<typename traits::parameters>;
  static_assert(sizeof...(Args) == traits::arity,
                "call: the method takes another number of arguments");
  static_assert(sizeof...(Args) != traits::arity
                  || stored::template accepts<Args...>(),
                "call: the method does not take arguments of these types");
  static_assert(stored::are_inputs,
                "call: the method takes a non-const reference, through which "
                "nothing could come back; return the result instead");
  return std::make_shared<method_call<Method, Object>>(
    how, std::forward<Args>(args)...);
}

} // namespace puma::detail
