// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"
#include "puma/actors/internal/run_record.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace puma::internal {

/// Refers to an object that a runnable of this process keeps.
class local_reference final : public detail::call_target {
 public:
  local_reference(std::shared_ptr<run_record> scope,
                  std::uint64_t number) noexcept
    : scope_(std::move(scope)),
      number_(number) {}

  /// Lets go of the object, in its scope.
  ~local_reference() override;

  [[nodiscard]] const std::shared_ptr<run_record>& scope() const noexcept {
    return scope_;
  }

  // -- implementation of call_target ------------------------------------------

  void send(const detail::call_ptr& x) override { scope_->send(x); }

  [[nodiscard]] std::uint64_t object() const noexcept override {
    return number_;
  }

  [[nodiscard]] bool is_here() const override { return scope_->is_here(); }

  [[nodiscard]] std::string describe() const override {
    return "an object of " + scope_->describe();
  }

  [[nodiscard]] std::string current_activity() const override {
    return scope_->current_activity();
  }

 private:
  const std::shared_ptr<run_record> scope_;
  const std::uint64_t number_;
};

} // namespace puma::internal
