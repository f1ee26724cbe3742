// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/crossing.hpp"

#include "puma/actors/detail/status_value.hpp"

#include <gtest/gtest.h>

using namespace puma::detail;

namespace {

/// Is to be found as statuses are.
struct findable {
  static status_ptr decode(puma::decoder&) { return nullptr; }
};

} // namespace

TEST(decoders, are_found_by_types_and_only_as_what_they_are) {
  ASSERT_TRUE(registrar<findable>::known());
  const auto key = key_of<findable>();
  auto unknown = key;
  unknown.type = "unknown";

  EXPECT_EQ(find_decoder<status_decoder>(key), &findable::decode);
  EXPECT_EQ(find_decoder<recipe_decoder>(key), nullptr);
  EXPECT_EQ(find_decoder<status_decoder>(unknown), nullptr);
}
