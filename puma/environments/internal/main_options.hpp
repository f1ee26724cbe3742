// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/node_agent.hpp"
#include "puma/environments/internal/placement.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/logging/log.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace puma::internal {

/// What `puma::main` takes from the command line.
struct main_options {
  runtime_options runtime;
  std::optional<log_level> level{};
  std::string log_config{};
  std::chrono::milliseconds drain_timeout{10'000};
  node_credentials credentials{};
  placement_config placement{};
  std::optional<agent_options> node{}; ///< Set when this is to be a node.
  std::vector<std::string> args;       ///< What is left for the application.
  std::string help;                    ///< Not empty when help was asked for.
};

/// Takes the options that start with `--puma-`, up to a lone `--`. Throws
/// `usage_error` that names what is wrong.
main_options parse_main_options(int argc, const char* const* argv);

} // namespace puma::internal
