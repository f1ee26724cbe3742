// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/virtual_runtime.hpp"
#include "tests/support/environments.hpp"

#include <memory>

namespace puma_test {

namespace {

class virtual_world final : public world {
 public:
  puma::runtime& rt() override { return runtime_.rt(); }

  bool eventually(const std::function<bool()>& holds) override {
    runtime_.settle();
    return holds();
  }

 private:
  puma::testing::virtual_runtime runtime_;
};

} // namespace

std::unique_ptr<world> make_world() {
  return std::make_unique<virtual_world>();
}

std::string world_name() {
  return "virtual";
}

} // namespace puma_test
