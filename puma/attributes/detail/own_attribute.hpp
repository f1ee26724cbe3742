// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/handing.hpp"
#include "puma/attributes/attribute.hpp"

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma::detail {

/// For attributes of which nothing goes to the child.
struct empty_parcel {
  void encode(encoder&) const noexcept {}
  void decode(decoder&) noexcept {}
  void collect(std::vector<buffer_core_ptr>&) const noexcept {}
};

/// Which sides have a value of their own.
enum class own_by { child, parent, both };

/// Makes a `T`, and is none.
template <class F, class T>
concept factory_of = std::is_invocable_r_v<T, F&> && !std::is_same_v<F, T>;

/// An attribute whose value a scope makes for itself: from one that is given,
/// or by a factory when it is needed.
template <class T, own_by Who>
class own_attribute : public attribute {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "an attribute holds a plain object type");

 public:
  using parcel = empty_parcel;

  /// With the default value.
  explicit own_attribute(std::string name)
    : attribute(std::move(name)),
      make_([] { return T{}; }) {}

  own_attribute(std::string name, T value)
    : attribute(std::move(name)),
      box_(std::in_place, std::move(value)) {}

  /// With what `make()` returns, which need not be movable.
  template <factory_of<T> F>
  own_attribute(std::string name, F make)
    : attribute(std::move(name)),
      make_(std::move(make)) {}

  [[nodiscard]] T& get() { return made(); }
  [[nodiscard]] const T& get() const { return made(); }

  void set(T value) {
    check_side();
    box_.emplace(std::move(value));
  }

  [[nodiscard]] T& operator*() { return made(); }
  [[nodiscard]] const T& operator*() const { return made(); }
  [[nodiscard]] T* operator->() { return &made(); }
  [[nodiscard]] const T* operator->() const { return &made(); }

  // -- for environments -------------------------------------------------------

  [[nodiscard]] parcel pack(bool) {
    settle(side::parent);
    if constexpr (Who == own_by::child)
      box_.reset();
    return {};
  }

  void unpack(parcel) {
    settle(side::child);
    if constexpr (Who == own_by::parent)
      box_.reset();
    else
      static_cast<void>(made());
  }

 private:
  /// Lets a factory make it in place, as it may not be movable.
  struct box {
    explicit box(T x) : value(std::move(x)) {}
    box(std::in_place_t, const std::function<T()>& make) : value(make()) {}
    T value;
  };

  void check_side() const {
    if constexpr (Who == own_by::both)
      check();
    else
      check(Who == own_by::child ? side::child : side::parent);
  }

  T& made() const {
    check_side();
    if (!box_)
      box_.emplace(std::in_place, make_);
    return box_->value;
  }

  mutable std::optional<box> box_;
  std::function<T()> make_;
};

} // namespace puma::detail
