// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/multicaster.hpp"
#include "puma/environments/environment.hpp"

#include <memory>

void start(const puma::environment& env,
           const puma::buffer<std::unique_ptr<int>>& in) {
  auto x = env.run<puma::multicaster<std::unique_ptr<int>>>("cast", in);
}
