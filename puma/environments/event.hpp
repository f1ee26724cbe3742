// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace puma {

/// A flag that threads and dedicated runnables can wait for, in one process or
/// several: the handle crosses as an argument or in a value, and denotes the
/// same event there.
///
/// *Threads.* All functions may be called from any thread. A cheap handle:
/// copies denote the same event. No process that is killed leaves it locked.
///
/// *Waiting* in a pooled runnable is a `usage_error`; in a dedicated one it
/// throws `stopped` when the runnable is told to stop.
///
/// *Failure.* A default-constructed handle denotes nothing: using it is a
/// `usage_error`. Sending one to another process throws `error` while all
/// places that processes share are in use, about 125,000.
class event {
 public:
  event() noexcept = default;

  explicit event(std::string name);

  [[nodiscard]] const std::string& name() const;

  /// Sets the flag and wakes all who wait, even if it is cleared again before
  /// they get to run.
  void set();

  void clear();

  [[nodiscard]] bool is_set() const;

  /// Waits until the flag is set.
  void wait() const;

  /// As above; returns false if it is not set after `timeout`.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout) const;

 private:
  friend struct codec<event>;

  struct state;

  [[nodiscard]] state& get() const;

  std::shared_ptr<state> state_;
};

/// A handle crosses as what it denotes.
template <>
struct codec<event> {
  static constexpr std::size_t least_bytes = 8;

  static void encode(encoder& to, const event& x);
  static void decode(decoder& from, event& x);
};

} // namespace puma
