// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/environment.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/environments/thread_environment.hpp"
#include "puma/testing/capture_logs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

/// Tests that hold in every environment are written once. Which one an
/// executable tests is decided by what it links: environments_virtual.cpp or
/// environments_threads.cpp.
namespace puma_test {

/// A runtime, and how to let it go on.
class world {
 public:
  virtual ~world() = default;

  virtual puma::runtime& rt() = 0;

  /// Lets the runnables run until `holds` returns true; whether it does.
  virtual bool eventually(const std::function<bool()>& holds) = 0;
};

std::unique_ptr<world> make_world();

/// Returns `virtual` or `threads`.
std::string world_name();

/// On what a runnable runs.
enum class hosting { pooled, dedicated };

inline void PrintTo(hosting x, std::ostream* to) {
  *to << (x == hosting::pooled ? "pooled" : "dedicated");
}

/// For suites that hold for pooled and dedicated runnables alike.
inline const auto any_hosting = ::testing::Values(hosting::pooled,
                                                  hosting::dedicated);

/// For suites in which all runnables are pooled, or say themselves what they
/// are.
inline const auto no_hosting = ::testing::Values(hosting::pooled);

inline std::string with_hosting(const ::testing::TestParamInfo<hosting>& info) {
  return world_name() + "_" + ::testing::PrintToString(info.param);
}

inline std::string without_hosting(const ::testing::TestParamInfo<hosting>&) {
  return world_name();
}

/// A fixture with a runtime of the environment under test. Keeps log lines.
class environment_test : public ::testing::TestWithParam<hosting> {
 protected:
  puma::testing::capture_logs log; // outlives the runtime

  [[nodiscard]] puma::runtime& rt() { return world_->rt(); }

  [[nodiscard]] puma::thread_environment env() {
    return puma::thread_environment{rt()};
  }

  /// Starts a runnable with the hosting under test.
  template <class Runnable, class... Args>
  [[nodiscard]] puma::runner run(Args&&... args) {
    if (GetParam() == hosting::dedicated)
      return env().run<Runnable>(puma::dedicated, std::forward<Args>(args)...);
    return env().run<Runnable>(std::forward<Args>(args)...);
  }

  template <class Runnable>
  [[nodiscard]] puma::runner run(puma::function_recipe<Runnable> recipe) {
    if (GetParam() == hosting::dedicated)
      return env().run(puma::dedicated, std::move(recipe));
    return env().run(std::move(recipe));
  }

  /// Prepares a runnable with the hosting under test.
  template <class Runnable, class... Args>
  [[nodiscard]] puma::runner make(Args&&... args) {
    if (GetParam() == hosting::dedicated)
      return env().make<Runnable>(puma::dedicated, std::forward<Args>(args)...);
    return env().make<Runnable>(std::forward<Args>(args)...);
  }

  bool eventually(const std::function<bool()>& holds) {
    return world_->eventually(holds);
  }

  void destroy_runtime() { world_.reset(); }

 private:
  std::unique_ptr<world> world_ = make_world();
};

} // namespace puma_test
