// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/attributes/copied.hpp"
#include "puma/environments/environment.hpp"

#include <memory>
#include <tuple>

template <class T>
void hand_over(const puma::environment& env, const std::shared_ptr<T>& x) {
  static_cast<void>(env.run(x));
}
