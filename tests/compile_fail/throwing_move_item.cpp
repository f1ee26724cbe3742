// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/buffer.hpp"

struct item {
  item() = default;
  item(item&&) noexcept(false) {}
};

puma::buffer<item> items{"items", 1};
