// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "benchmarks/puma_bench/workloads.hpp"

#include <optional>
#include <string>

namespace puma_bench {

/// What the command line asks for.
struct command {
  std::string name;               ///< The name of the workload.
  const workload* what = nullptr; ///< Null: unknown, to be skipped.
  settings given = {};
  unsigned repeat = 1;
};

/// Parses the command line. When there is nothing to run, prints the help or
/// what is wrong, and leaves the program's exit code in `exit_code`.
[[nodiscard]] std::optional<command> parse(int argc, char** argv,
                                           int& exit_code);

} // namespace puma_bench
