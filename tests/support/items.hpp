// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

/// Item types for typed tests of buffers. Each value carries a number.
namespace puma_test {

/// A move-only item that knows whether instances leak, are destroyed twice, or
/// are moved in memory behind the back of their constructors.
class tracked {
 public:
  explicit tracked(int number) noexcept : number_(number) { ++alive_; }

  tracked(tracked&& other) noexcept
    : number_(std::exchange(other.number_, moved_from)) {
    other.check();
    ++alive_;
  }

  tracked& operator=(tracked&& other) noexcept {
    check();
    other.check();
    number_ = std::exchange(other.number_, moved_from);
    return *this;
  }

  ~tracked() {
    check();
    self_ = nullptr;
    --alive_;
  }

  [[nodiscard]] int number() const noexcept { return number_; }

  /// Returns how many instances there are now.
  [[nodiscard]] static int alive() noexcept { return alive_; }

  /// Returns how often something was done to what is no instance.
  [[nodiscard]] static int violations() noexcept { return violations_; }

  static constexpr int moved_from = -1;

 private:
  void check() noexcept {
    if (self_ != this)
      ++violations_;
  }

  static inline std::atomic<int> alive_{0};
  static inline std::atomic<int> violations_{0};

  const tracked* volatile self_ = this;
  int number_;
};

/// An item that needs more alignment than `operator new` gives by default.
struct alignas(64) over_aligned : tracked {
  explicit over_aligned(int number) noexcept : tracked(number) {}

  [[nodiscard]] bool intact() const noexcept {
    return reinterpret_cast<std::uintptr_t>(this) % 64 == 0;
  }
};

/// An item that is larger than any chunk of a queue would be.
struct big_item : tracked {
  explicit big_item(int number) noexcept : tracked(number) {
    bytes.fill(static_cast<unsigned char>(number));
  }

  [[nodiscard]] bool intact() const noexcept {
    for (const auto x : bytes)
      if (x != static_cast<unsigned char>(number()))
        return false;
    return true;
  }

  std::array<unsigned char, 100 * 1024> bytes;
};

using item_types = ::testing::Types<int, std::unique_ptr<int>, std::string,
                                    tracked>;

/// Makes an item with `number`, which is not negative.
template <class T>
T item(int number) {
  if constexpr (std::is_same_v<T, std::unique_ptr<int>>)
    return std::make_unique<int>(number);
  else if constexpr (std::is_same_v<T, std::string>)
    return "a text too long to be stored in place: " + std::to_string(number);
  else
    return T(number);
}

inline int number_of(int x) {
  return x;
}

inline int number_of(const std::unique_ptr<int>& x) {
  return x ? *x : tracked::moved_from;
}

inline int number_of(const std::string& x) {
  return x.empty() ? tracked::moved_from : std::stoi(x.substr(x.rfind(' ')));
}

inline int number_of(const tracked& x) {
  return x.number();
}

} // namespace puma_test
