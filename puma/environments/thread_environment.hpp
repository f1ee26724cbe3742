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
  runner prepare(bool own_thread, detail::recipe_ptr recipe) const override;
  runner prepare_here(bool own_thread,
                      detail::recipe_ptr recipe) const override;

 private:
  runtime* runtime_;
};

} // namespace puma
