// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"
#include "puma/base/codec.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <typeinfo>

/// How recipes of runnables and calls of methods go to other processes, which
/// run the same executable: by the name of the type, and the arguments.
namespace puma::detail {

/// Some function, to be cast to what it is.
using any_function = void (*)();

/// Makes the `decode` of a type known under the type's name, with the kind of
/// function that it is. Harmless when it happens several times, as with shared
/// libraries.
void register_decoder(const std::type_info& type, any_function decode,
                      const std::type_info& kind);

/// Registers `T::decode` before `main` if `known()` is used anywhere.
template <class T>
struct registrar {
  static bool known() noexcept { return done; }

  static any_function function() noexcept {
    return reinterpret_cast<any_function>(&T::decode);
  }

 private:
  static inline const bool done = (register_decoder(typeid(T), function(),
                                                    typeid(&T::decode)),
                                   true);
};

/// Returns what names `T` in all processes of this executable.
crossing_key key_of(const std::type_info& type, any_function decode);

template <class T>
crossing_key key_of() {
  return key_of(typeid(T), registrar<T>::function());
}

/// Returns null when there is no such thing here, or it is of another kind: a
/// key comes from another process.
any_function find_decoder(const crossing_key& key, const std::type_info& kind);

template <class Decoder>
Decoder find_decoder(const crossing_key& key) {
  return reinterpret_cast<Decoder>(find_decoder(key, typeid(Decoder)));
}

void encode_key(encoder& to, const crossing_key& x);
crossing_key decode_key(decoder& from);

using recipe_decoder = recipe_ptr (*)(decoder& from);

/// Returns the readable name of a type.
[[nodiscard]] std::string type_name(const std::type_info& type);

/// Of the obstacles of some arguments, returns the first that is not empty,
/// with the argument's number; empty if all are.
[[nodiscard]] std::string first_obstacle(std::initializer_list<std::string> xs);

/// Whether a callable can be made anew in another process: it has no state.
template <class F>
inline constexpr bool is_stateless = std::is_empty_v<F>&&
  std::is_default_constructible_v<F>;

} // namespace puma::detail
