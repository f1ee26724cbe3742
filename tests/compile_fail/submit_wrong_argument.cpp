// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pool.hpp"

int square(int x);

void use(puma::pool<>& x) {
  x.submit<&square>("now");
}
