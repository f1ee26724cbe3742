// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>
#include <string>

void build(const puma::environment& env) {
  auto p = puma::pipeline(env)
           | puma::transform("twice", [](int x) { return 2 * x; })
           | puma::for_each("store", [](int) {});
  auto running = p.run();
}
