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

/// What becomes of an attribute in a child that is in the same process.
enum class thread_action {
  share,       ///< It has the same object: who uses it when is up to you.
  copy,        ///< It has a copy.
  not_allowed, ///< Handing it over is a `usage_error`.
};

/// What becomes of an attribute in a child that is in another process.
enum class process_action {
  copy,        ///< It has a copy.
  set_to_none, ///< It has none, until it sets one.
  not_allowed, ///< Handing it over is a `usage_error`.
};

namespace detail {

template <class T>
struct managed_parcel {
  std::shared_ptr<T> value; // null: none
  bool is_copy = false;

  void encode(encoder& to) const {
    to.number(value != nullptr);
    if constexpr (can_cross<T>) {
      if (value)
        puma::encode(to, *value);
    }
  }

  void decode(decoder& from) {
    is_copy = true;
    if (!from.number<bool>())
      return;
    if constexpr (can_cross<T>) {
      value = std::make_shared<T>();
      puma::decode(from, *value);
    } else {
      from.fail("a value that does not cross");
    }
  }

  void collect(std::vector<buffer_core_ptr>& to) const {
    if (value)
      collect_buffers(to, std::as_const(*value));
  }
};

} // namespace detail

/// An attribute that behaves differently in threads and in processes, as its
/// type says.
///
/// *Threads.* See `attribute`. An object that scopes share is nobody's alone:
/// puma does not guard it.
///
/// *Failure.* Where there is none, access is a `usage_error`; see `attribute`
/// for access from other scopes.
template <class T, thread_action InThreads, process_action InProcesses>
class manually_managed : public attribute {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "an attribute holds a plain object type");
  static_assert((InThreads != thread_action::copy
                 && InProcesses != process_action::copy)
                  || std::is_copy_constructible_v<T>,
                "manually_managed: what is to be copied must be copyable");

 public:
  using parcel = detail::managed_parcel<T>;

  explicit manually_managed(std::string name)
    : attribute(std::move(name)),
      value_(std::make_shared<T>()) {}

  manually_managed(std::string name, T value)
    : attribute(std::move(name)),
      value_(std::make_shared<T>(std::move(value))) {}

  [[nodiscard]] bool has_value() const {
    check();
    return value_ != nullptr;
  }

  [[nodiscard]] T& get() const {
    check();
    if (!value_)
      refuse("has no value in this process; it is set to none there");
    return *value_;
  }

  /// Gives this scope an object of its own.
  void set(T value) {
    check();
    value_ = std::make_shared<T>(std::move(value));
  }

  [[nodiscard]] T& operator*() const { return get(); }
  [[nodiscard]] T* operator->() const { return &get(); }

  // -- for environments -------------------------------------------------------

  [[nodiscard]] parcel pack(bool stays_here) {
    settle(side::parent);
    if (stays_here)
      return pack_for_thread();
    return pack_for_process();
  }

  void unpack(parcel x) {
    settle(side::child);
    value_ = x.is_copy ? copy_of(x.value) : std::move(x.value);
  }

 private:
  static std::shared_ptr<T> copy_of(const std::shared_ptr<T>& x) {
    if constexpr (std::is_copy_constructible_v<T>)
      return x ? std::make_shared<T>(*x) : nullptr;
    else
      return x;
  }

  parcel pack_for_thread() const {
    if constexpr (InThreads == thread_action::share)
      return {value_, false};
    else if constexpr (InThreads == thread_action::copy)
      return {copy_of(value_), true};
    else
      refuse("may not be handed to a runnable in the same process");
  }

  parcel pack_for_process() const {
    if constexpr (InProcesses == process_action::set_to_none)
      return {nullptr, true};
    else if constexpr (InProcesses == process_action::not_allowed)
      refuse("may not be handed to a runnable in another process");
    else if constexpr (can_cross<T>)
      return {copy_of(value_), true};
    else
      refuse_to_cross(crossing_obstacle<T>());
  }

  std::shared_ptr<T> value_;
};

} // namespace puma
