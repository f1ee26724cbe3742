// SPDX-License-Identifier: Apache-2.0

#include "tests/compile_fail/door.hpp"

void use(const puma::remote<door>& x) {
  x.call<&window::close>();
}
