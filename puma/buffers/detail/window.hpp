// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>

/// What the templates of publishers and subscriptions share with the compiled
/// queue behind them: enough to move one value without a call, and no more.
namespace puma::detail {

/// How the queue, which does not know `T`, treats values of `T`.
struct value_ops {
  std::uint32_t size;
  std::uint32_t align;
  /// Move-constructs one value; the source remains to be destroyed.
  void (*construct)(void* to, void* from) noexcept;
  /// Moves `count` values to uninitialised memory and destroys the sources.
  void (*relocate)(void* to, void* from, std::size_t count) noexcept;
  void (*destroy)(void* first, std::size_t count) noexcept;
  const std::type_info* type;
  /// How they cross to other processes; null when they cannot.
  const wire_ops* wire;
  /// Says why they cannot, and what to do about it.
  std::string (*obstacle)();
  bool trivial; ///< Copied and destroyed without further ado.
};

template <class T>
struct value_ops_of {
  static_assert(
    std::is_object_v<T> && !std::is_const_v<T> && !std::is_array_v<T>,
    "a buffer holds plain object types: no references, const "
    "types or arrays");
  static_assert(std::is_nothrow_move_constructible_v<
                  T> && std::is_nothrow_destructible_v<T>,
                "buffer values must be nothrow-movable: a full buffer hands "
                "them back, and a queue must not lose them half-way");

  static void construct(void* to, void* from) noexcept {
    ::new (to) T(std::move(*static_cast<T*>(from)));
  }

  static void relocate(void* to, void* from, std::size_t count) noexcept {
    if constexpr (std::is_trivially_copyable_v<T>) {
      std::memcpy(to, from, count * sizeof(T));
    } else {
      auto* target = static_cast<std::byte*>(to);
      auto* source = static_cast<T*>(from);
      for (std::size_t i = 0; i != count; ++i, target += sizeof(T)) {
        ::new (static_cast<void*>(target)) T(std::move(source[i]));
        source[i].~T();
      }
    }
  }

  static void destroy(void* first, std::size_t count) noexcept {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      auto* values = static_cast<T*>(first);
      for (std::size_t i = 0; i != count; ++i)
        values[i].~T();
    }
  }

  static constexpr value_ops value{
    sizeof(T),
    alignof(T),
    &construct,
    &relocate,
    &destroy,
    &typeid(T),
    wire_ops_of<T>(),
    &crossing_obstacle<T>,
    std::is_trivially_copyable_v<T>&& std::is_trivially_destructible_v<T>};
};

/// Free places that belong to one publisher. Empty whenever the queue has to
/// decide: nothing reserved, full, ended, or outside of the runnable's scope.
struct write_window {
  std::byte* next = nullptr;
  std::byte* limit = nullptr;
};

/// Values that belong to one subscription until they are released.
struct read_window {
  std::byte* next = nullptr;
  std::byte* limit = nullptr;
};

} // namespace puma::detail
