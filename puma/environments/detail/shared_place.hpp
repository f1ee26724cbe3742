// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/encoder.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace puma::internal {
class shared_slot;
} // namespace puma::internal

namespace puma::detail {

/// Eight bytes that other processes may get to share, aligned as such.
struct shared_place {
  void* address = nullptr;
  /// Null where other processes have no access.
  std::shared_ptr<internal::shared_slot> slot;
};

/// Returns a place; nothing if all that can be shared are in use.
[[nodiscard]] shared_place make_place() noexcept;

/// Encodes a handle of a place for another process of the runtime. `type` says
/// what is there. Throws `error`.
void export_place(encoder& to, const std::string& name, std::uint8_t type,
                  const shared_place& x);

/// Decodes one; nothing if `from` fails.
[[nodiscard]] shared_place import_place(decoder& from, std::string& name,
                                        std::uint8_t type);

/// Throws the error for a default-constructed handle.
[[noreturn]] void throw_no_primitive(const char* what);

} // namespace puma::detail
