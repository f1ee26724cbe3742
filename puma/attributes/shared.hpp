// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/attributes/attribute.hpp"
#include "puma/attributes/detail/shared_cell.hpp"

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace puma {

/// An attribute with one value for parent and child: both see what either of
/// them changes, also when they are in different processes.
///
/// Numbers, `bool` and enums cost an atomic operation. Other values are
/// guarded by a lock; between processes they lie encoded in shared memory, so
/// that an access costs decoding or encoding them, and must cross and take at
/// most 4 KiB then. A process that is killed while it changes one leaves the
/// value before, and nothing locked.
///
/// *Threads* and *failure*: see `attribute`. A value that cannot cross, or is
/// too large, is a `usage_error` that names the attribute, at the start of the
/// child or where it is set.
template <class T>
class shared : public attribute {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "an attribute holds a plain object type");
  static_assert(std::is_copy_constructible_v<T>,
                "shared: the value must be copyable");

  using cell = std::conditional_t<
    detail::fits_atomic<T>, detail::shared_number<T>, detail::shared_cell<T>>;

 public:
  using parcel = typename cell::parcel;

  explicit shared(std::string name) : shared(std::move(name), T{}) {}

  shared(std::string name, T value)
    : attribute(std::move(name)),
      cell_(this->name(), std::move(value)) {}

  [[nodiscard]] T get() const {
    check();
    return cell_.get();
  }

  void set(T value) {
    check();
    cell_.set(std::move(value));
  }

  /// Calls `change(T&)` on the value, and returns what it is then: one step,
  /// which no other change comes in between. Keep it short, and do not use the
  /// attribute in it. For numbers it may be called several times, of which the
  /// last one counts.
  template <class F>
  T update(F&& change) {
    check();
    return cell_.update(std::forward<F>(change));
  }

  /// Adds `by` and returns the sum, in one step.
  T add(T by) requires std::is_arithmetic_v<T> {
    return update([by](T& x) { x = static_cast<T>(x + by); });
  }

  T operator++() requires std::is_arithmetic_v<T> { return add(1); }

  // -- for environments -------------------------------------------------------

  [[nodiscard]] parcel pack(bool stays_here) {
    settle(side::parent);
    if constexpr (!can_cross<T>)
      if (!stays_here)
        refuse_to_cross(crossing_obstacle<T>());
    if (!stays_here)
      cell_.prepare();
    return cell_.pack();
  }

  void unpack(parcel x) {
    settle(side::child);
    cell_ = cell(std::move(x));
  }

 private:
  cell cell_;
};

} // namespace puma
