// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/local_reference.hpp"

#include "puma/actors/internal/registry.hpp"
#include "puma/actors/internal/task.hpp"
#include "puma/logging/log.hpp"

#include <exception>

namespace puma::internal {

namespace {

class release final : public detail::scope_job {
 public:
  explicit release(std::uint64_t number) noexcept : number_(number) {}

  const char* activity() const noexcept override {
    return "destructor of an object";
  }

  void run(task& where) override { where.let_go(number_); }

  bool drop(const std::string&) noexcept override { return false; }

 private:
  const std::uint64_t number_;
};

} // namespace

local_reference::~local_reference() {
  try {
    scope_->owner->give(*scope_, std::make_shared<release>(number_));
  } catch (const std::exception& error) {
    log(log_level::warning, "puma.calls",
        std::string{"an object is kept until its runnable ends: "}
          + error.what());
  }
}

} // namespace puma::internal
