// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/shutdown.hpp"

#include <gtest/gtest.h>

#include <string>

namespace puma_test {

inline void expect_adds_up(const puma::shutdown_report& report) {
  for (auto& x : report.buffers)
    EXPECT_TRUE(x.adds_up()) << "buffer '" << x.name << "' in\n"
                             << report.to_string();
}

/// Returns how the runnable of that name ended.
inline puma::shutdown_report::ending
how_ended(const puma::shutdown_report& report, const std::string& name) {
  for (auto& x : report.runnables)
    if (x.name == name)
      return x.how;
  ADD_FAILURE() << "no '" << name << "' in\n" << report.to_string();
  return {};
}

inline puma::shutdown_report::buffer_sum
sum_of(const puma::shutdown_report& report, const std::string& name) {
  for (auto& x : report.buffers)
    if (x.name == name)
      return x;
  ADD_FAILURE() << "no '" << name << "' in\n" << report.to_string();
  return {};
}

} // namespace puma_test
