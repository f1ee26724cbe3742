// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/suspension.hpp"
#include "puma/actors/supervision_policy.hpp"
#include "puma/actors/value_policy.hpp"
#include "puma/base/internal/parker.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace puma::internal {

struct run_record;
struct supervisor_node;

/// What a supervisor knows of one child. Guarded by the mutex of `supervision`,
/// save for the constants.
struct supervised {
  enum class state { alive, suspending, suspended, ended };

  std::shared_ptr<supervisor_node> node;
  value_policy values;

  std::weak_ptr<run_record> record;
  state now = state::alive;
  bool was_constructed = false;
  time_point constructed_at{};
  time_point suspend_until{}; // while suspending
  time_point due{};           // of the restart, while suspended
  std::uint32_t restarts = 0;
  std::uint32_t in_a_row = 0; // restarts without a healthy time between
  suspension left;            // by the last instance
  std::vector<const queue*> inputs;
  std::vector<const queue*> outputs;
  std::optional<time_point> failed_at; // last, on its own account
  std::uint64_t excused_for = 0;       // the failure that it followed from
  std::uint64_t last_failure = 0;      // that counted
  const queue* value_source = nullptr; // of the value that failed last
  std::uint32_t attempts = 0;          // of that value
  bool must_retry = false;   // what has become of that value is not settled
  bool letters_open = false; // holds a token on the dead letters' buffer
};

/// Returns when a child leaves its streams open; never, if it is null.
[[nodiscard]] restart_terms terms_of(const supervised* x);

} // namespace puma::internal
