// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/main.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace puma::testing {

/// The `main` of a GoogleTest program whose tests use `process_environment`;
/// the program serves as the worker processes, too:
/// `int main(int argc, char** argv) { return
/// puma::testing::gtest_main(argc, argv); }`
///
/// Link GTest::gmock, and neither GTest::gtest_main nor GTest::gmock_main.
[[nodiscard]] inline int gtest_main(int argc, char** argv) {
  if (auto code = puma::run_as_worker(argc, argv))
    return *code;
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}

} // namespace puma::testing
