// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/value_keeper.hpp"

#include "puma/base/error.hpp"

#include <cstring>

namespace puma::internal {

value_keeper::value_keeper(const queue& source) : ops_(source.ops()) {
  if (!ops_.trivial && !ops_.wire)
    throw usage_error{"buffer '" + source.name()
                      + "': its values cannot be kept for another attempt, as "
                        "the value policy wants: "
                      + ops_.obstacle()};
}

void value_keeper::keep(const void* value) {
  bytes_.clear();
  if (ops_.trivial)
    bytes_.block(value, ops_.size);
  else
    ops_.wire->encode(bytes_, value, 1);
}

void value_keeper::restore(void* to) {
  if (ops_.trivial) {
    std::memcpy(to, bytes_.bytes().data(), ops_.size);
    return;
  }
  decoder from{bytes_.bytes()};
  if (ops_.wire->decode(from, to, 1) != 1)
    throw error{"a value that was kept cannot be made again: " + from.error()};
}

} // namespace puma::internal
