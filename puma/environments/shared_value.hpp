// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/environments/detail/shared_place.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

namespace puma {

/// An integer or a boolean that several runnables and threads share, in one
/// process or several: the handle crosses as an argument or in a value, and
/// denotes the same value there.
///
/// *Threads.* All functions may be called from any thread at any time; every
/// change is one atomic step, seen by all in the same order. A cheap handle:
/// copies denote the same value. No process that is killed leaves it locked.
///
/// *Failure.* A default-constructed handle denotes nothing: using it is a
/// `usage_error`, and so is sending one to another host. Sending one to another
/// process throws `error` if it was made while all places that processes share
/// were in use, about 125,000.
template <class T>
class shared_value {
  static_assert(std::is_integral_v<T> && sizeof(T) <= 8,
                "a shared value is an integer or a boolean");

 public:
  shared_value() noexcept = default;

  explicit shared_value(std::string name, T initial = {})
    : shared_value(std::move(name), detail::make_place(), true) {
    at_->store(initial);
  }

  [[nodiscard]] const std::string& name() const {
    static_cast<void>(at());
    return state_->name;
  }

  [[nodiscard]] T get() const { return at().load(); }

  void set(T value) const { at().store(value); }

  /// Sets the value and returns the one before.
  T exchange(T value) const { return at().exchange(value); }

  /// Adds `by` and returns the sum.
  T add(T by) const requires(!std::is_same_v<T, bool>) {
    return static_cast<T>(at().fetch_add(by) + by);
  }

  T operator++() const requires(!std::is_same_v<T, bool>) { return add(1); }

  /// Sets the value to `desired` if it is `expected`; returns whether it was.
  bool compare_exchange(T expected, T desired) const {
    return at().compare_exchange_strong(expected, desired);
  }

 private:
  friend struct codec<shared_value>;

  struct state {
    std::string name;
    detail::shared_place place;
    std::atomic<T> own; // where no place is to be had
  };

  static_assert(std::atomic<T>::is_always_lock_free);

  /// What distinguishes it from other values on the way.
  static constexpr auto type_code = static_cast<std::uint8_t>(
    sizeof(T) | (std::is_signed_v<T> ? 16u : 0u)
    | (std::is_same_v<T, bool> ? 32u : 0u));

  shared_value(std::string name, detail::shared_place place, bool is_new)
    : state_(std::make_shared<state>()) {
    state_->name = std::move(name);
    state_->place = std::move(place);
    if (!state_->place.address)
      at_ = &state_->own;
    else if (is_new)
      at_ = new (state_->place.address) std::atomic<T>;
    else
      at_ = std::launder(static_cast<std::atomic<T>*>(state_->place.address));
  }

  [[nodiscard]] std::atomic<T>& at() const {
    if (!state_) [[unlikely]]
      detail::throw_no_primitive("shared value");
    return *at_;
  }

  std::atomic<T>* at_ = nullptr; // belongs to the state
  std::shared_ptr<state> state_;
};

/// A handle crosses as what it denotes.
template <class T>
struct codec<shared_value<T>> {
  static constexpr std::size_t least_bytes = 8;

  static void encode(encoder& to, const shared_value<T>& x) {
    static_cast<void>(x.at());
    detail::export_place(to, x.state_->name, x.type_code, x.state_->place);
  }

  static void decode(decoder& from, shared_value<T>& x) {
    std::string name;
    auto place = detail::import_place(from, name, shared_value<T>::type_code);
    if (place.address)
      x = shared_value<T>{std::move(name), std::move(place), false};
  }
};

} // namespace puma
