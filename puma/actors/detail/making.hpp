// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"

#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace puma::detail {

/// Memory for a `T` that `delete` of a pointer to it gives back.
template <class T>
struct hosted_memory {
  static_assert(
    !requires { T::operator new(sizeof(T)); },
    "run: a runnable must not have an operator new of its own");

  static constexpr bool over_aligned = alignof(T)
                                       > __STDCPP_DEFAULT_NEW_ALIGNMENT__;

  static void* get() {
    if constexpr (over_aligned)
      return ::operator new (sizeof(T), std::align_val_t{alignof(T)});
    else
      return ::operator new(sizeof(T));
  }

  void operator()(void* x) const noexcept {
    if constexpr (over_aligned)
      ::operator delete (x, sizeof(T), std::align_val_t{alignof(T)});
    else
      ::operator delete(x, sizeof(T));
  }
};

/// Makes the runnable of the running host, as `std::make_unique` does. The host
/// knows by the place what belongs to it: the constructor, and what is made
/// before that of `runnable` runs, may make runnables and attributes, too.
template <class T, class... Args>
[[nodiscard]] std::unique_ptr<T> make_hosted(Args&&... args) {
  std::unique_ptr<void, hosted_memory<T>> memory{hosted_memory<T>::get()};
  announce_object(memory.get(), sizeof(T));
  auto* const made = ::new (memory.get()) T(std::forward<Args>(args)...);
  memory.release();
  return std::unique_ptr<T>{made};
}

} // namespace puma::detail
