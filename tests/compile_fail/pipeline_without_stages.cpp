// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>
#include <string>

void build(const puma::environment& env) {
  auto running = puma::pipeline(env).run();
}
