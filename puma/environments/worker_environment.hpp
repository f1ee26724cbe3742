// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/environment.hpp"

#include <memory>

namespace puma {

class runtime;

namespace internal {
class run_starter;
} // namespace internal

/// What environments have in common whose runnables run in other processes; see
/// `process_environment` and `node`.
class worker_environment : public environment {
 protected:
  explicit worker_environment(runtime& rt) noexcept : runtime_(&rt) {}

  /// Throws `usage_error` if this program cannot serve as a worker process.
  /// `who` begins its text.
  static void check_program(const char* who);

  void set_starter(std::shared_ptr<internal::run_starter> x) noexcept {
    starter_ = std::move(x);
  }

  void adopt(const detail::buffer_core_ptr& x) const override;
  runner prepare(bool own_thread, detail::recipe_ptr recipe,
                 detail::care_ptr care) const override;
  runner prepare_here(bool own_thread,
                      detail::recipe_ptr recipe) const override;
  runtime& owner() const noexcept override;
  bool is_local() const noexcept override;

 private:
  runtime* runtime_;
  std::shared_ptr<internal::run_starter> starter_;
};

} // namespace puma
