// SPDX-License-Identifier: Apache-2.0

#include "tests/support/environments.hpp"

#include <chrono>
#include <memory>
#include <thread>

using namespace std::chrono_literals;

namespace puma_test {

namespace {

class threads_world final : public world {
 public:
  puma::runtime& rt() override { return runtime_; }

  bool eventually(const std::function<bool()>& holds) override {
    const auto deadline = std::chrono::steady_clock::now() + 30s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline)
        return false;
      std::this_thread::yield();
    }
    return true;
  }

 private:
  // As many on each machine, so that tests have the same chances.
  puma::runtime runtime_{{.threads = 2}};
};

} // namespace

std::unique_ptr<world> make_world() {
  return std::make_unique<threads_world>();
}

std::string world_name() {
  return "threads";
}

} // namespace puma_test
