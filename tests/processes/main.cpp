// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/gtest_main.hpp"
#include "tests/processes/places.hpp"

int main(int argc, char** argv) {
  // Workers inherit it.
  puma_test::forbid_core_dumps();
  return puma::testing::gtest_main(argc, argv);
}
