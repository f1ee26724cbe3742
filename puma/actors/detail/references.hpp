// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"

#include <cstdint>
#include <memory>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace puma::detail {

/// An object that a scope keeps for references to it.
class kept_object {
 public:
  kept_object(void* address, const std::type_info& type) noexcept
    : address_(address),
      type_(type) {}

  kept_object(const kept_object&) = delete;
  kept_object& operator=(const kept_object&) = delete;

  virtual ~kept_object() = default;

  [[nodiscard]] void* address() const noexcept { return address_; }

  [[nodiscard]] const std::type_info& type() const noexcept { return type_; }

 private:
  void* address_;
  const std::type_info& type_;
};

using kept_ptr = std::unique_ptr<kept_object>;

/// One that belongs to somebody else, who keeps it for as long as the runnable
/// lives.
template <class T>
kept_ptr lend(T& x) {
  return std::make_unique<kept_object>(
    const_cast<void*>(static_cast<const volatile void*>(std::addressof(x))),
    typeid(T));
}

/// One that goes with its last reference.
template <class T>
class owned_object final : public kept_object {
 public:
  /// Makes it in place, from what `make()` returns.
  template <class F>
  owned_object(std::in_place_t, F& make)
    : kept_object(std::addressof(value_), typeid(T)),
      value_(make()) {}

 private:
  T value_;
};

/// Makes the runnable that `where` hosts keep `x` until the last copy of what
/// this returns is gone.
[[nodiscard]] target_ptr refer_in(internal::task& where, kept_ptr x);

/// Refers to the runnable itself that `where` hosts.
[[nodiscard]] target_ptr refer_to_runnable(internal::task& where);

/// Makes calls that go to the runnable go to `x` where it is no object of their
/// class itself.
void stand_in(internal::task& where, kept_ptr x);

/// Encodes a reference, for another process of the runtime.
void export_reference(encoder& to, const target_ptr& x);

/// Decodes one; null after a failure.
target_ptr import_reference(decoder& from);

} // namespace puma::detail
