// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/constructing.hpp"
#include "puma/attributes/attribute.hpp"
#include "puma/base/codec.hpp"

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma {

namespace detail {

/// A copy of a value, which crosses if that does. Behind a pointer, as it may
/// have no default constructor.
template <class T>
struct copy_parcel {
  std::shared_ptr<const T> value;

  void encode(encoder& to) const {
    if constexpr (can_cross<T>)
      puma::encode(to, *value);
    else
      static_cast<void>(to);
  }

  void decode(decoder& from) {
    if constexpr (can_cross<T>) {
      auto made = std::make_shared<T>();
      puma::decode(from, *made);
      value = std::move(made);
    } else {
      from.fail("a value that does not cross");
    }
  }

  void collect(std::vector<buffer_core_ptr>& to) const {
    if (value)
      collect_buffers(to, *value);
  }
};

} // namespace detail

/// An attribute of which the child gets a copy when it is started: what the
/// parent's value is then. Afterwards neither sees what the other does to it.
/// Buffers and other handles are given to a child in this way.
///
/// In another process the value must be able to cross: otherwise handing the
/// object over is a `usage_error` that names the attribute.
///
/// *Threads* and *failure*: see `attribute`.
template <class T>
class copied : public attribute {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "an attribute holds a plain object type");
  static_assert(std::is_copy_constructible_v<T>,
                "copied: the value must be copyable");

 public:
  using parcel = detail::copy_parcel<T>;

  explicit copied(std::string name) : copied(std::move(name), T{}) {}

  copied(std::string name, T value)
    : attribute(std::move(name)),
      value_(std::make_unique<T>(std::move(value))) {}

  [[nodiscard]] T& get() {
    check();
    return *value_;
  }

  [[nodiscard]] const T& get() const {
    check();
    return *value_;
  }

  void set(T value) {
    check();
    value_ = std::make_unique<T>(std::move(value));
  }

  [[nodiscard]] T& operator*() { return get(); }
  [[nodiscard]] const T& operator*() const { return get(); }
  [[nodiscard]] T* operator->() { return &get(); }
  [[nodiscard]] const T* operator->() const { return &get(); }

  // -- for environments -------------------------------------------------------

  [[nodiscard]] parcel pack(bool stays_here) {
    settle(side::parent);
    if constexpr (!can_cross<T>)
      if (!stays_here)
        refuse_to_cross(crossing_obstacle<T>());
    return {std::make_shared<const T>(*value_)};
  }

  void unpack(const parcel& x) {
    settle(side::child);
    value_ = std::make_unique<T>(*x.value);
  }

 private:
  std::unique_ptr<T> value_;
};

} // namespace puma
