// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/environment.hpp"

namespace puma {

class runtime;

/// Runs runnables in this process, on the scheduler threads of `rt`.
class thread_environment final : public environment {
 public:
  explicit thread_environment(runtime& rt) noexcept;

 protected:
  void adopt(const detail::buffer_core_ptr& x) const override;
  runner prepare(bool own_thread, detail::recipe_ptr recipe,
                 detail::care_ptr care) const override;
  runner prepare_here(bool own_thread,
                      detail::recipe_ptr recipe) const override;
  std::shared_ptr<const environment> share() const override;
  runtime& owner() const noexcept override;
  bool is_local() const noexcept override;

 private:
  runtime* runtime_;
};

} // namespace puma
