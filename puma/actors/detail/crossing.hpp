// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"
#include "puma/base/codec.hpp"

#include <cstdint>
#include <string>
#include <type_traits>
#include <typeinfo>

/// How recipes of runnables go to other processes, which run the same
/// executable: by the name of the recipe's type, and its arguments.
namespace puma::detail {

using recipe_decoder = recipe_ptr (*)(decoder& from);

/// Makes a recipe known under the name of its type. Harmless when it happens
/// several times, as with shared libraries.
void register_recipe(const std::type_info& type, recipe_decoder decode);

/// Registers `Recipe` before `main` if `known()` is used anywhere.
template <class Recipe>
struct recipe_registrar {
  static bool known() noexcept { return done; }

 private:
  static inline const bool done = (register_recipe(typeid(Recipe),
                                                   &Recipe::decode),
                                   true);
};

recipe_key key_of(const std::type_info& type, recipe_decoder decode);

/// Returns null when there is no such recipe here.
recipe_decoder find_recipe(const recipe_key& key);

/// Returns the readable name of a type.
[[nodiscard]] std::string type_name(const std::type_info& type);

/// Whether a callable can be made anew in another process: it has no state.
template <class F>
inline constexpr bool is_stateless = std::is_empty_v<F>&&
  std::is_default_constructible_v<F>;

} // namespace puma::detail
