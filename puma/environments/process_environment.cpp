// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/process_environment.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/runtime.hpp"

namespace puma {

process_environment::process_environment(runtime& rt, process_options options)
  : worker_environment(rt) {
  check_program("process_environment");
  if (options.ping_interval.count() <= 0 || options.start_timeout.count() <= 0
      || options.answer_timeout.count() < 0)
    throw usage_error{"process_environment: intervals must be positive"};
  set_starter(rt.core().processes().make_group(options));
}

std::shared_ptr<const environment> process_environment::share() const {
  return std::make_shared<process_environment>(*this);
}

} // namespace puma
