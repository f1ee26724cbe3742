// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>

void build(const puma::environment& env) {
  auto p = puma::pipeline(env)
           | puma::generate("read", [] { return std::optional<int>{}; })
           | puma::multicast(
             "copy", puma::transform("half", [](int x) { return 0.5 * x; }),
             puma::for_each("store", [](int) {}));
}
