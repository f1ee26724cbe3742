// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>
#include <string>

void build(const puma::environment& env) {
  auto p = puma::pipeline(env) | puma::generate("read", [] { return 1; })
           | puma::for_each("store", [](int) {});
}
