// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <memory>
#include <optional>

void build(const puma::environment& env) {
  auto p = puma::pipeline(env)
           | puma::generate(
             "read", [] { return std::optional<std::unique_ptr<int>>{}; })
           | puma::multicast("copy",
                             puma::for_each("a", [](std::unique_ptr<int>) {}),
                             puma::for_each("b", [](std::unique_ptr<int>) {}));
}
