// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/worker_environment.hpp"

#include "puma/actors/internal/supervised.hpp"
#include "puma/base/error.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/internal/worker.hpp"
#include "puma/environments/runtime.hpp"

#include <string>
#include <utility>

namespace puma {

void worker_environment::check_program(const char* who) {
  if (!internal::workers_allowed())
    throw usage_error{
      std::string{who}
      + ": this program cannot serve as a worker process; use puma::main, or "
        "call puma::run_as_worker first in main"};
}

void worker_environment::adopt(const detail::buffer_core_ptr& x) const {
  runtime_->core().all().adopt(x->queue());
}

runner worker_environment::prepare(bool own_thread, detail::recipe_ptr recipe,
                                   detail::care_ptr care) const {
  const auto terms = internal::terms_of(care.get());
  auto starter = runtime_->core().place(*recipe, starter_);
  return runner{runtime_->core().all().prepare(std::move(starter), own_thread,
                                               std::move(recipe), nullptr,
                                               std::move(care), terms)};
}

runner worker_environment::prepare_here(bool own_thread,
                                        detail::recipe_ptr recipe) const {
  auto& core = runtime_->core();
  return runner{
    core.all().prepare(core.local(), own_thread, std::move(recipe))};
}

runtime& worker_environment::owner() const noexcept {
  return *runtime_;
}

bool worker_environment::is_local() const noexcept {
  return false;
}

} // namespace puma
