// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pool.hpp"

#include <string>

std::string name();

void use(puma::pool<int>& x) {
  x.submit<&name>();
}
