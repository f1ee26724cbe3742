// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace puma {

/// Guards some state with a lock, and lets threads and dedicated runnables wait
/// until that state satisfies a predicate. In several processes, to which the
/// handle crosses as an argument or in a value, the state is what they share,
/// such as a `shared_value`.
///
/// *Threads.* All functions may be called from any thread. A cheap handle:
/// copies denote the same condition. `change` and the predicates run under its
/// lock, one at a time, in whichever process: keep them short, and do not wait
/// in them. A process that is killed meanwhile unlocks it; what it had changed
/// by then stays changed.
///
/// *Waiting* in a pooled runnable is a `usage_error`; in a dedicated one it
/// throws `stopped` when the runnable is told to stop.
///
/// *Failure.* A default-constructed handle denotes nothing: using it is a
/// `usage_error`. Sending one to another process throws `error` while all
/// places that processes share are in use, about 125,000.
class condition {
 public:
  condition() noexcept = default;

  explicit condition(std::string name);

  [[nodiscard]] const std::string& name() const;

  /// Changes the guarded state, and makes all who wait look again.
  void change(const std::function<void()>& change);

  /// Waits until `holds` returns true.
  void wait(const std::function<bool()>& holds) const;

  /// As above; returns false if it does not hold after `timeout`.
  [[nodiscard]] bool wait_for(std::chrono::nanoseconds timeout,
                              const std::function<bool()>& holds) const;

 private:
  friend struct codec<condition>;

  struct state;

  [[nodiscard]] state& get() const;

  std::shared_ptr<state> state_;
};

/// A handle crosses as what it denotes.
template <>
struct codec<condition> {
  static constexpr std::size_t least_bytes = 8;

  static void encode(encoder& to, const condition& x);
  static void decode(decoder& from, condition& x);
};

} // namespace puma
