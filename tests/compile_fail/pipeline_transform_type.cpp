// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>
#include <string>

void build(const puma::environment& env) {
  auto p = puma::pipeline(env)
           | puma::generate("read", [] { return std::optional<int>{}; })
           | puma::transform("size",
                             [](const std::string& x) { return x.size(); })
           | puma::for_each("store", [](std::size_t) {});
  auto running = p.run();
}
