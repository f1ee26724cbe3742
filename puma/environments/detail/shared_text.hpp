// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/encoder.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace puma::internal {
class shared_slot;
} // namespace puma::internal

namespace puma::detail {

/// An encoded value that processes share. A process that is killed while it
/// changes it leaves the one before.
class shared_text {
 public:
  /// Longer ones are refused.
  static constexpr std::size_t most_bytes = 4'092;

  /// None.
  shared_text() noexcept = default;

  /// Returns a new one; none if all are in use.
  static shared_text make();

  explicit operator bool() const noexcept { return slot_ != nullptr; }

  /// Holds the lock, which is one for all processes. Throws `usage_error` that
  /// names `what` if the calling thread has it already.
  class access {
   public:
    access(const shared_text& x, const std::string& what);
    access(const access&) = delete;
    access& operator=(const access&) = delete;
    ~access();

    /// What it says now.
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept;

    /// @pre `x` is not longer than `most_bytes`
    void write(std::span<const std::byte> x) noexcept;

   private:
    struct held;
    std::unique_ptr<held> held_;
  };

  /// Encodes a handle for another process of the runtime. Throws `error` for
  /// none.
  void encode(encoder& to, const std::string& name) const;

  /// Decodes one; none if `from` fails.
  static shared_text decode(decoder& from, std::string& name);

 private:
  std::shared_ptr<internal::shared_slot> slot_;
};

} // namespace puma::detail
