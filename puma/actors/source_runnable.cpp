// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/source_runnable.hpp"

#include <utility>

namespace puma {

source_runnable::source_runnable(std::string name) : runnable(std::move(name)) {
  if (is_hosted())
    detail::set_source(host(), *this);
}

} // namespace puma
