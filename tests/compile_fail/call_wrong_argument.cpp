// SPDX-License-Identifier: Apache-2.0

#include "tests/compile_fail/door.hpp"

void use(const puma::runner& x) {
  x.call<&door::open>("now");
}
