// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/buffer.hpp"

#include <memory>

void publish_copy(puma::publisher<std::unique_ptr<int>>& out,
                  const std::unique_ptr<int>& item) {
  out.publish(item);
}
