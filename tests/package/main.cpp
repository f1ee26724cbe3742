// SPDX-License-Identifier: Apache-2.0

#include <puma/puma.hpp>

int main() {
  return 0;
}
