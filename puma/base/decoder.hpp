// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/encoder.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

namespace puma {

/// Reads values out of bytes that it does not trust.
///
/// *Failure.* Bytes that no encoder wrote make it fail; it never throws for
/// them, reads beyond them, or lets a length allocate more than they can hold.
/// After the first failure everything it returns is zero or empty.
///
/// *Lifetime.* The bytes must outlive it.
class decoder {
 public:
  explicit decoder(std::span<const std::byte> from,
                   void* context = nullptr) noexcept
    : first_(from.data()),
      next_(from.data()),
      limit_(from.data() + from.size()),
      context_(context) {}

  decoder(const decoder&) = delete;
  decoder& operator=(const decoder&) = delete;

  /// Copies the next `bytes` bytes; false when there are fewer.
  bool block(void* to, std::size_t bytes) noexcept {
    const auto* data = view(bytes);
    if (data != nullptr && bytes != 0)
      std::memcpy(to, data, bytes);
    return data != nullptr;
  }

  /// Returns the next `bytes` bytes in place, or null when there are fewer.
  const std::byte* view(std::size_t bytes) noexcept {
    if (bytes > remaining() || failed_) {
      fail_short(bytes);
      return nullptr;
    }
    const auto* data = next_;
    next_ += bytes;
    // An empty span may have no address.
    return data != nullptr ? data : &nothing;
  }

  /// Returns the next number or enumerator; `T{}` after a failure. A `bool`
  /// that is neither 0 nor 1 is a failure.
  template <class T>
  T number() noexcept {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>,
                  "number takes arithmetic types and enums");
    if constexpr (std::is_same_v<T, bool>) {
      const auto x = number<std::uint8_t>();
      if (x > 1)
        fail_bool(x);
      return x == 1;
    } else if constexpr (std::is_enum_v<T>) {
      return static_cast<T>(number<std::underlying_type_t<T>>());
    } else {
      T x{};
      block(&x, sizeof(T));
      return x;
    }
  }

  /// Returns the number of elements that follow, each of which takes at least
  /// `least_bytes_per_element` bytes, or one if that is 0; 0 after a failure.
  std::size_t size(std::size_t least_bytes_per_element) noexcept {
    std::uint64_t n = number<std::uint8_t>();
    if (n == 255)
      n = number<std::uint64_t>();
    const auto least = least_bytes_per_element == 0 ? 1
                                                    : least_bytes_per_element;
    if (n > remaining() / least) {
      fail_size(n, least);
      return 0;
    }
    return static_cast<std::size_t>(n);
  }

  [[nodiscard]] bool ok() const noexcept { return !failed_; }

  /// Makes it fail; the first failure stays.
  void fail(std::string what) noexcept;

  /// Returns what was wrong, and at which byte; empty if nothing was.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

  /// Returns how many bytes are left; 0 after a failure.
  [[nodiscard]] std::size_t remaining() const noexcept {
    return static_cast<std::size_t>(limit_ - next_);
  }

  [[nodiscard]] void* context() const noexcept { return context_; }

  /// Codecs of types that may hold themselves call these around each value;
  /// false, and a failure, when it is deeper than `encoder::max_depth`.
  [[nodiscard]] bool enter() noexcept {
    if (++depth_ > encoder::max_depth)
      fail_deep();
    return ok();
  }

  void leave() noexcept { --depth_; }

 private:
  static constexpr std::byte nothing{};

  void fail_short(std::size_t bytes) noexcept;
  void fail_bool(unsigned value) noexcept;
  void fail_size(std::uint64_t n, std::size_t least) noexcept;
  void fail_deep() noexcept;

  const std::byte* first_;
  const std::byte* next_;
  const std::byte* limit_;
  std::size_t depth_ = 0;
  bool failed_ = false;
  void* context_;
  std::string error_;
};

} // namespace puma
