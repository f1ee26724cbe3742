// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/thread_environment.hpp"

#include "puma/actors/internal/supervised.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/runtime.hpp"

#include <utility>

namespace puma {

thread_environment::thread_environment(runtime& rt) noexcept : runtime_(&rt) {}

void thread_environment::adopt(const detail::buffer_core_ptr& x) const {
  runtime_->core().all().adopt(x->queue());
}

runner thread_environment::prepare(bool own_thread, detail::recipe_ptr recipe,
                                   detail::care_ptr care) const {
  auto& core = runtime_->core();
  const auto terms = internal::terms_of(care.get());
  auto starter = core.place(*recipe, core.local());
  return runner{core.all().prepare(std::move(starter), own_thread,
                                   std::move(recipe), nullptr, std::move(care),
                                   terms)};
}

runner thread_environment::prepare_here(bool own_thread,
                                        detail::recipe_ptr recipe) const {
  auto& core = runtime_->core();
  return runner{
    core.all().prepare(core.local(), own_thread, std::move(recipe))};
}

std::shared_ptr<const environment> thread_environment::share() const {
  return std::make_shared<thread_environment>(*this);
}

runtime& thread_environment::owner() const noexcept {
  return *runtime_;
}

bool thread_environment::is_local() const noexcept {
  return true;
}

} // namespace puma
