// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/process_environment.hpp"

#include "puma/actors/internal/supervised.hpp"
#include "puma/base/error.hpp"
#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/internal/worker.hpp"
#include "puma/environments/runtime.hpp"

#include <utility>

namespace puma {

process_environment::process_environment(runtime& rt, process_options options)
  : runtime_(&rt) {
  if (!internal::workers_allowed())
    throw usage_error{
      "process_environment: this program cannot serve as a worker process; use "
      "puma::main, or call puma::run_as_worker first in main"};
  if (options.ping_interval.count() <= 0 || options.start_timeout.count() <= 0
      || options.answer_timeout.count() < 0)
    throw usage_error{"process_environment: intervals must be positive"};
  starter_ = rt.core().processes().make_group(options);
}

void process_environment::adopt(const detail::buffer_core_ptr& x) const {
  runtime_->core().all().adopt(x->queue());
}

runner process_environment::prepare(bool own_thread, detail::recipe_ptr recipe,
                                    detail::care_ptr care) const {
  const auto terms = internal::terms_of(care.get());
  return runner{runtime_->core().all().prepare(
    starter_, own_thread, std::move(recipe), nullptr, std::move(care), terms)};
}

runner process_environment::prepare_here(bool own_thread,
                                         detail::recipe_ptr recipe) const {
  auto& core = runtime_->core();
  return runner{
    core.all().prepare(core.local(), own_thread, std::move(recipe))};
}

std::shared_ptr<const environment> process_environment::share() const {
  return std::make_shared<process_environment>(*this);
}

runtime& process_environment::owner() const noexcept {
  return *runtime_;
}

bool process_environment::is_local() const noexcept {
  return false;
}

} // namespace puma
