// SPDX-License-Identifier: Apache-2.0

#include "puma/attributes/manually_managed.hpp"

puma::manually_managed<std::unique_ptr<int>, puma::thread_action::copy,
                       puma::process_action::set_to_none>
  value{"value"};
