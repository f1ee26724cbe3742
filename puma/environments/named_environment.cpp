// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/named_environment.hpp"

#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/runtime.hpp"

#include <utility>

namespace puma {

named_environment::named_environment(runtime& rt, std::string name)
  : worker_environment(rt),
    name_(std::move(name)) {
  set_starter(rt.core().place(name_));
}

std::shared_ptr<const environment> named_environment::share() const {
  return std::make_shared<named_environment>(*this);
}

} // namespace puma
