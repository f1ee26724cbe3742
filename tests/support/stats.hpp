// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/options.hpp"

#include <gtest/gtest.h>

namespace puma_test {

/// Expects that every value that entered the buffer is accounted for.
inline void expect_balanced(const puma::buffer_stats& x) {
  EXPECT_EQ(x.accepted, x.taken + x.waiting + x.dropped_oldest + x.left_over);
}

} // namespace puma_test
