// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/detail/ends.hpp"
#include "puma/buffers/subscriber.hpp"

#include <chrono>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace puma {

/// What came out of a buffer: a value, or the reason why there is none.
template <class T>
class received {
 public:
  explicit received(receive_status status) noexcept : status_(status) {}

  explicit received(T&& value) noexcept
    : status_(receive_status::value),
      value_(std::move(value)) {}

  explicit received(const failure& error) noexcept
    : status_(receive_status::failed),
      error_(error) {}

  [[nodiscard]] receive_status status() const noexcept { return status_; }

  [[nodiscard]] explicit operator bool() const noexcept {
    return status_ == receive_status::value;
  }

  /// The value. @pre `status() == receive_status::value`
  [[nodiscard]] T& operator*() noexcept { return *value_; }

  [[nodiscard]] T* operator->() noexcept { return &*value_; }

  /// The stream's error, if it failed.
  [[nodiscard]] const std::optional<failure>& error() const noexcept {
    return error_;
  }

 private:
  receive_status status_;
  std::optional<T> value_;
  std::optional<failure> error_;
};

/// The receiving end of a buffer, for plain threads and dedicated runnables.
/// (Other runnables get their values through hooks.)
///
/// *Threads.* To be used by one thread at a time, and not from within a hook
/// that it calls; moving it is fine.
///
/// *Lifetime.* A buffer has one subscription at a time. Values that were not
/// received when it goes stay in the buffer, for the next one. The end of the
/// stream stays, too: every call after it says so again.
///
/// *Failure.* `next` and the range rethrow the error that ended the stream,
/// with its own type; the other calls return it.
template <class T>
class subscription {
 public:
  /// A subscription to nothing; using it is a `usage_error`.
  subscription() noexcept = default;

  /// Opened by `buffer::subscribe`.
  explicit subscription(detail::inlet_ptr end) noexcept
    : end_(std::move(end)) {}

  subscription(subscription&&) noexcept = default;
  subscription& operator=(subscription&&) noexcept = default;

  /// Returns the buffer's name.
  [[nodiscard]] std::string_view name() const {
    return detail::name_of(end_.get());
  }

  /// Waits for a value; returns nothing when the stream has completed.
  [[nodiscard]] std::optional<T> next() {
    switch (detail::receive(end_.get())) {
    case receive_status::value:
      return take();
    case receive_status::failed:
      detail::error_of(end_.get()).rethrow();
    case receive_status::completed:
    case receive_status::empty:
      break;
    }
    return std::nullopt;
  }

  /// Waits for a value at most `timeout`.
  [[nodiscard]] received<T> next_for(std::chrono::nanoseconds timeout) {
    return wrap(detail::receive_for(end_.get(), timeout));
  }

  /// Takes a value if there is one now.
  [[nodiscard]] received<T> try_next() {
    return wrap(detail::try_receive(end_.get()));
  }

  /// Hands exactly one event that is there now, a value or the end of the
  /// stream, to `to`, and says which; `empty` when there is none.
  receive_status call_events(subscriber<T>& to) {
    using access = detail::subscriber_access;
    return call_events([&to](T& value) { access::hand_over(to, value); },
                       [&to](const failure* error) { to.on_complete(error); });
  }

  /// The same with functions of `(T&)` and `(const failure*)`.
  template <class OnValue, class OnComplete>
  receive_status call_events(OnValue&& on_value, OnComplete&& on_complete) {
    const auto status = detail::try_receive(end_.get());
    if (status == receive_status::value) {
      const done guard{*this};
      on_value(*reinterpret_cast<T*>(end_->next));
    } else if (status == receive_status::completed) {
      on_complete(static_cast<const failure*>(nullptr));
    } else if (status == receive_status::failed) {
      on_complete(&detail::error_of(end_.get()));
    }
    return status;
  }

  /// Lets the values not yet received stay in the buffer. Closing twice is
  /// harmless.
  void unsubscribe() {
    if (!end_)
      detail::closed_twice("subscription");
    end_.reset();
  }

  /// `for (auto& value : subscription)` receives until the stream ends.
  class iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    iterator() noexcept = default;

    explicit iterator(subscription& from) : from_(&from) { ++*this; }

    T& operator*() const noexcept { return *value_; }

    iterator& operator++() {
      value_ = from_->next();
      return *this;
    }

    void operator++(int) { ++*this; }

    friend bool operator==(const iterator& x, std::default_sentinel_t) {
      return !x.value_;
    }

   private:
    subscription* from_ = nullptr;
    mutable std::optional<T> value_;
  };

  [[nodiscard]] iterator begin() { return iterator{*this}; }

  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  /// Frees the place of the value in hand.
  struct done {
    subscription& self;
    ~done() {
      auto* in = self.end_.get();
      value_ops_type::destroy(in->next, 1);
      detail::release_one(in, sizeof(T));
    }
  };

  using value_ops_type = detail::value_ops_of<T>;

  T take() {
    const done guard{*this};
    return std::move(*reinterpret_cast<T*>(end_->next));
  }

  received<T> wrap(receive_status status) {
    if (status == receive_status::value)
      return received<T>{take()};
    if (status == receive_status::failed)
      return received<T>{detail::error_of(end_.get())};
    return received<T>{status};
  }

  detail::inlet_ptr end_;
};

} // namespace puma
