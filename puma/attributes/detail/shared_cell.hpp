// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/handing.hpp"
#include "puma/base/codec.hpp"
#include "puma/base/detail/nesting_mark.hpp"
#include "puma/base/error.hpp"
#include "puma/environments/detail/shared_text.hpp"
#include "puma/environments/shared_value.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma::detail {

template <class T>
inline constexpr bool fits_atomic = (std::is_arithmetic_v<
                                       T> || std::is_enum_v<T>)&&sizeof(T)
                                    <= 8;

/// A number that scopes share.
template <class T>
class shared_number {
 public:
  struct parcel {
    shared_value<std::uint64_t> value;

    void encode(encoder& to) const { puma::encode(to, value); }
    void decode(decoder& from) { puma::decode(from, value); }
    void collect(std::vector<buffer_core_ptr>&) const noexcept {}
  };

  shared_number(const std::string& name, T value)
    : word_(name, to_word(value)) {}

  explicit shared_number(parcel x) : word_(std::move(x.value)) {}

  [[nodiscard]] T get() const { return from_word(word_.get()); }

  void set(T value) { word_.set(to_word(value)); }

  template <class F>
  T update(F&& change) {
    for (;;) {
      const auto seen = word_.get();
      auto value = from_word(seen);
      change(value);
      if (word_.compare_exchange(seen, to_word(value)))
        return value;
    }
  }

  void prepare() const noexcept {}

  [[nodiscard]] parcel pack() const { return {word_}; }

 private:
  static std::uint64_t to_word(T x) noexcept {
    std::uint64_t result = 0;
    std::memcpy(&result, &x, sizeof(x));
    return result;
  }

  static T from_word(std::uint64_t x) noexcept {
    T result{};
    std::memcpy(&result, &x, sizeof(result));
    return result;
  }

  shared_value<std::uint64_t> word_;
};

/// Any other value that scopes share: an object as long as all are in one
/// process, and encoded in shared memory from then on.
template <class T>
class shared_cell {
 public:
  struct state {
    std::string name;
    std::mutex mutex;
    std::unique_ptr<T> value; // until there is a text
    shared_text text;         // guarded by the mutex; set once
  };

  struct parcel {
    std::shared_ptr<state> shared;

    void encode(encoder& to) const { shared->text.encode(to, shared->name); }

    void decode(decoder& from) {
      shared = std::make_shared<state>();
      shared->text = shared_text::decode(from, shared->name);
    }

    void collect(std::vector<buffer_core_ptr>&) const noexcept {}
  };

  shared_cell(const std::string& name, T value)
    : state_(std::make_shared<state>()) {
    state_->name = name;
    state_->value = std::make_unique<T>(std::move(value));
  }

  explicit shared_cell(parcel x) noexcept : state_(std::move(x.shared)) {}

  [[nodiscard]] T get() const {
    const auto mark = this->mark();
    std::unique_lock lock{state_->mutex};
    if constexpr (can_cross<T>) {
      if (state_->text) {
        lock.unlock();
        const shared_text::access held{state_->text, describe()};
        return read(held);
      }
    }
    return *state_->value;
  }

  void set(T value) {
    const auto mark = this->mark();
    std::unique_lock lock{state_->mutex};
    if constexpr (can_cross<T>) {
      if (state_->text) {
        lock.unlock();
        shared_text::access held{state_->text, describe()};
        write(held, value);
        return;
      }
    }
    state_->value = std::make_unique<T>(std::move(value));
  }

  template <class F>
  T update(F&& change) {
    const auto mark = this->mark();
    std::unique_lock lock{state_->mutex};
    if constexpr (can_cross<T>) {
      if (state_->text) {
        lock.unlock();
        shared_text::access held{state_->text, describe()};
        auto value = read(held);
        change(value);
        write(held, value);
        return value;
      }
    }
    auto value = *state_->value; // stays if `change` throws
    change(value);
    state_->value = std::make_unique<T>(value);
    return value;
  }

  /// Lets other processes take part.
  void prepare() {
    if constexpr (can_cross<T>) {
      const auto mark = this->mark();
      const std::lock_guard guard{state_->mutex};
      if (state_->text)
        return;
      const auto bytes = encoded(*state_->value);
      auto made = shared_text::make();
      if (!made)
        return; // encoding the parcel says so
      shared_text::access{made, describe()}.write(bytes.bytes());
      state_->text = std::move(made);
      state_->value.reset();
    }
  }

  [[nodiscard]] parcel pack() const { return {state_}; }

 private:
  [[nodiscard]] std::string describe() const {
    return "attribute '" + state_->name + "'";
  }

  [[nodiscard]] nesting_mark mark() const {
    return {state_.get(), "attribute", state_->name};
  }

  [[nodiscard]] encoder encoded(const T& x) const {
    encoder result;
    try {
      puma::encode(result, x);
    } catch (const error& why) { // such as of a handle in it
      throw usage_error{describe() + ": its value cannot be shared between "
                        + "processes: " + why.what()};
    }
    if (result.size() > shared_text::most_bytes)
      throw usage_error{describe() + ": its value takes "
                        + std::to_string(result.size())
                        + " bytes, and one that processes share may take "
                        + std::to_string(shared_text::most_bytes)
                        + "; let a buffer carry it, or use copied"};
    return result;
  }

  T read(const shared_text::access& from) const {
    decoder in{from.bytes()};
    T result{};
    puma::decode(in, result);
    if (!in.ok())
      throw error{describe() + ": the value cannot be read: " + in.error()};
    return result;
  }

  void write(shared_text::access& to, const T& x) const {
    to.write(encoded(x).bytes());
  }

  std::shared_ptr<state> state_;
};

} // namespace puma::detail
