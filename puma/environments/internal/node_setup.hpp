// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/remote_host.hpp"
#include "puma/environments/node.hpp"
#include "puma/environments/process_environment.hpp"

#include <string>

namespace puma::internal {

/// What a node needs, checked.
struct node_setup {
  host_options host;
  process_options workers;
};

/// Fills in what is left empty. Throws `usage_error`.
node_setup set_up_node(const std::string& address, node_options options,
                       const node_credentials& defaults);

} // namespace puma::internal
