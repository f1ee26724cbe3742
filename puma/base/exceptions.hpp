// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/base/error.hpp"

#include <exception>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace puma {

/// Stands for an exception out of another process whose type cannot be made
/// here. `what()` is the original's text.
class remote_error : public error {
 public:
  remote_error(std::string type, const std::string& text)
    : error(text),
      type_(std::move(type)) {}

  /// Returns the readable name of the original's type.
  [[nodiscard]] const std::string& type() const noexcept { return type_; }

 private:
  std::string type_;
};

namespace detail {

/// How exceptions of one type cross.
struct exception_ops {
  const std::type_info* type;
  /// Appends the exception, which is of that type and of no derived one.
  void (*encode)(encoder& to, const std::exception_ptr& x);
  /// Returns null when `from` fails.
  std::exception_ptr (*decode)(decoder& from);
};

/// Makes a type known, once per type; may be called before `main`.
void add_known_exception(const exception_ops& ops);

template <class E>
struct exception_ops_of {
  static_assert(
    can_cross<
      E> || (std::is_base_of_v<std::exception, E> && (std::is_constructible_v<E, const std::string&> || std::is_constructible_v<E, const char*> || std::is_default_constructible_v<E>)),
    "a known exception has an inspect overload, or is a std::exception with a "
    "constructor that takes a text or nothing");

  static void encode(encoder& to, const std::exception_ptr& x) {
    try {
      std::rethrow_exception(x);
    } catch (const E& thrown) {
      if constexpr (can_cross<E>)
        puma::encode(to, thrown);
      else
        puma::encode(to, std::string{thrown.what()});
    }
  }

  static std::exception_ptr decode(decoder& from) {
    if constexpr (can_cross<E>) {
      E made{};
      puma::decode(from, made);
      return from.ok() ? std::make_exception_ptr(std::move(made)) : nullptr;
    } else {
      std::string text;
      puma::decode(from, text);
      if (!from.ok())
        return nullptr;
      if constexpr (std::is_constructible_v<E, const std::string&>)
        return std::make_exception_ptr(E(std::as_const(text)));
      else if constexpr (std::is_constructible_v<E, const char*>)
        return std::make_exception_ptr(E(text.c_str()));
      else
        return std::make_exception_ptr(E());
    }
  }

  static constexpr exception_ops value{&typeid(E), &encode, &decode};
};

} // namespace detail

/// Lets exceptions of exactly the type `E` cross with their type. Define one at
/// namespace scope:
///
///     inline const puma::known_exception<my_error> my_error_is_known;
///
/// `E` has an `inspect` overload, or it is a `std::exception` and its
/// constructor takes the text that `what()` returns, or nothing. The standard's
/// exceptions and puma's own are known; all others become `remote_error`.
template <class E>
struct known_exception {
  known_exception() {
    detail::add_known_exception(detail::exception_ops_of<E>::value);
  }
};

} // namespace puma
