// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/run_record.hpp"

#include "puma/actors/internal/registry.hpp"

namespace puma::internal {

void run_record::send(const detail::call_ptr& x) {
  owner->send(*this, x);
}

bool run_record::is_here() const {
  return owner->is_here(*this);
}

std::string run_record::describe() const {
  return owner->display_name(*this);
}

std::string run_record::current_activity() const {
  return owner->activity_of(*this);
}

} // namespace puma::internal
