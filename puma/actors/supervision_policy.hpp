// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstdint>

namespace puma {

/// What a supervisor does when one of its children fails: a runnable, or a
/// supervisor that gave up.
///
/// After Erlang/OTP's supervisors and Akka's backoff supervision.
enum class on_failure : std::uint8_t {
  /// The error goes on: along the child's outputs, and else to its owner. A
  /// supervisor with a parent that restarts fails, and its parent decides.
  escalate,
  restart, ///< Children are restarted.
};

/// Whom a restart concerns.
enum class restart_strategy : std::uint8_t {
  one_for_one,  ///< The child that failed.
  one_for_all,  ///< All children.
  rest_for_one, ///< The child that failed, and the rest.
};

/// Who the rest is, of `rest_for_one`.
enum class restart_rest : std::uint8_t {
  downstream,  ///< Those that its values reach along buffers.
  start_order, ///< Those that were started later.
};

/// Which end of a child calls for a restart. The end of all inputs, or an
/// output that has completed, never does.
enum class restart_when : std::uint8_t {
  failure, ///< An exception, or a process that died.
  always,  ///< As well when it has stopped itself.
  never,
};

/// How a supervisor treats its children. All of it may be changed by designated
/// initialisers: `{.then = on_failure::restart, .max_restarts = 5}`.
struct supervision_policy {
  on_failure then = on_failure::escalate;
  restart_strategy strategy = restart_strategy::one_for_one;
  restart_rest rest = restart_rest::downstream;
  restart_when when = restart_when::failure;

  /// More failures than `max_restarts` within `period`, and the supervisor
  /// gives up: its children are stopped, their outputs fail, and its parent
  /// decides.
  std::uint32_t max_restarts = 3;
  std::chrono::nanoseconds period = std::chrono::seconds{10};

  /// The first restart comes at once. Each further one waits twice as long as
  /// the one before, from `first_backoff` up to `max_backoff`, more or less by
  /// a random share of at most `jitter`.
  std::chrono::nanoseconds first_backoff = std::chrono::milliseconds{10};
  std::chrono::nanoseconds max_backoff = std::chrono::seconds{10};
  double jitter = 0.1; ///< From 0 to 1.

  /// A child that has run for so long counts as well again: its next restart
  /// comes at once.
  std::chrono::nanoseconds healthy_after = std::chrono::seconds{5};

  /// A failure is a consequence, and does not count towards `max_restarts`, if
  /// it comes so soon after the failure of a child upstream, along buffers; for
  /// each child once per such failure.
  std::chrono::nanoseconds cascade_window = std::chrono::milliseconds{100};

  /// How long a child may take to finish the value in hand when it has to be
  /// restarted because of another one; after that the supervisor gives up.
  std::chrono::nanoseconds stop_timeout = std::chrono::seconds{5};
};

} // namespace puma
