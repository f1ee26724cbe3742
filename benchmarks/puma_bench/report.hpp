// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "benchmarks/puma_bench/workloads.hpp"

#include <string>
#include <string_view>

namespace puma_bench {

/// Returns the resident memory of this process in bytes.
[[nodiscard]] double resident_bytes();

/// Returns a run's line of JSON, with the keys that the peers use.
[[nodiscard]] std::string to_json(std::string_view workload,
                                  const settings& given,
                                  const measurement& shown);

/// Returns the line that says why there was no run.
[[nodiscard]] std::string skipped(std::string_view workload,
                                  std::string_view why);

} // namespace puma_bench
