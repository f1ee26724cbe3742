// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace puma {

/// An integer or a boolean that several runnables and threads share.
///
/// *Threads.* All functions may be called from any thread at any time; every
/// change is one atomic step, seen by all in the same order. A cheap handle:
/// copies denote the same value.
template <class T>
class shared_value {
  static_assert(std::is_integral_v<T>,
                "a shared value is an integer or a boolean");

 public:
  explicit shared_value(std::string name, T initial = {})
    : state_(std::make_shared<state>(std::move(name), initial)) {}

  [[nodiscard]] const std::string& name() const noexcept {
    return state_->name;
  }

  [[nodiscard]] T get() const noexcept { return state_->value.load(); }

  void set(T value) const noexcept { state_->value.store(value); }

  /// Sets the value and returns the one before.
  T exchange(T value) const noexcept { return state_->value.exchange(value); }

  /// Adds `by` and returns the sum.
  T add(T by) const noexcept requires(!std::is_same_v<T, bool>) {
    return static_cast<T>(state_->value.fetch_add(by) + by);
  }

  T operator++() const noexcept requires(!std::is_same_v<T, bool>) {
    return add(1);
  }

  /// Sets the value to `desired` if it is `expected`; returns whether it was.
  bool compare_exchange(T expected, T desired) const noexcept {
    return state_->value.compare_exchange_strong(expected, desired);
  }

 private:
  struct state {
    state(std::string n, T x) : name(std::move(n)), value(x) {}
    const std::string name;
    std::atomic<T> value;
  };

  std::shared_ptr<state> state_;
};

} // namespace puma
