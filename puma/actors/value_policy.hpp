// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/dead_letter.hpp"
#include "puma/buffers/buffer.hpp"

#include <cstdint>
#include <memory>
#include <new>
#include <typeinfo>
#include <utility>

namespace puma {

namespace detail {

/// Where dead letters go, for a queue that does not know their type.
class dead_letter_office {
 public:
  virtual ~dead_letter_office() = default;

  /// Returns the type of the values that it takes.
  [[nodiscard]] virtual const std::type_info& value_type() const = 0;

  /// Returns the buffer of the letters.
  [[nodiscard]] virtual const buffer_core& letters() const = 0;

  /// Makes a letter in uninitialised memory, and moves from `value`.
  virtual void write(void* letter, void* value, exit_record error,
                     std::uint32_t attempts) const = 0;

  /// Destroys a letter, and moves what was in it back to `value`.
  virtual void unwrite(void* letter, void* value) const = 0;
};

template <class T>
class typed_office final : public dead_letter_office {
 public:
  explicit typed_office(buffer<dead_letter<T>> letters)
    : letters_(std::move(letters)) {}

  const std::type_info& value_type() const override { return typeid(T); }

  const buffer_core& letters() const override {
    return *letters_.shared_core();
  }

  void write(void* letter, void* value, exit_record error,
             std::uint32_t attempts) const override {
    ::new (letter) dead_letter<T>{std::move(*static_cast<T*>(value)),
                                  std::move(error), attempts};
  }

  void unwrite(void* letter, void* value) const override {
    auto* const from = static_cast<dead_letter<T>*>(letter);
    std::destroy_at(static_cast<T*>(value));
    ::new (value) T(std::move(from->value));
    std::destroy_at(from);
  }

 private:
  const buffer<dead_letter<T>> letters_;
};

} // namespace detail

/// What becomes of the value that a runnable had in hand when it failed, where
/// its supervisor restarts it.
///
/// A value that is to be tried again is copied before its hook gets it: by
/// `memcpy` where that will do, otherwise by puma's codec, so that its type has
/// to be one that may cross (docs/crossing.md). `on_values` then gets values
/// one by one: otherwise nobody could tell which one failed.
struct value_policy {
  /// What to do when all attempts have failed.
  enum class action : std::uint8_t {
    skip,        ///< Drop it, count it, and go on with the next one.
    dead_letter, ///< Send it to a buffer of `puma::dead_letter`.
    escalate,    ///< The supervisor gives up.
  };

  /// How often a value is tried again, after the first time.
  std::uint32_t retries = 0;

  action then = action::skip;

  std::shared_ptr<detail::dead_letter_office> office; ///< Of `dead_letter`.

  /// Tries `retries` times again, then drops the value.
  [[nodiscard]] static value_policy skip(std::uint32_t retries) {
    return {retries, action::skip, nullptr};
  }

  /// Tries `retries` times again, then fails.
  [[nodiscard]] static value_policy escalate(std::uint32_t retries) {
    return {retries, action::escalate, nullptr};
  }

  /// Tries `retries` times again, then sends the value to `letters`. The
  /// runnable counts as a publisher of them, and completes their stream when it
  /// has ended. When `letters` is full, the runnable waits until there is room:
  /// nothing is lost.
  template <class T>
  [[nodiscard]] static value_policy dead_letters(buffer<dead_letter<T>> letters,
                                                 std::uint32_t retries = 0) {
    return {retries, action::dead_letter,
            std::make_shared<detail::typed_office<T>>(std::move(letters))};
  }

  /// Returns whether values have to be kept until their hook has returned.
  [[nodiscard]] bool keeps_values() const noexcept {
    return retries != 0 || then != action::skip;
  }
};

} // namespace puma
