// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline.hpp"

#include <optional>
#include <string>

void build(const puma::environment& env) {
  auto p = puma::pipeline(env)
           | puma::merge(
             puma::generate("a", [] { return std::optional<int>{}; }),
             puma::generate("b", [] { return std::optional<char>{}; }))
           | puma::for_each("store", [](int) {});
}
