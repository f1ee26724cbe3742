// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/mapped.hpp"
#include "puma/environments/pool.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

namespace puma {

/// Calls functions elsewhere: one at a time with `async`, or for each value of
/// a range with `map`. A `pool<>` with other words; what holds there holds
/// here, also for what may go to other processes.
///
/// *Threads.* All functions may be called from any thread; moving and
/// destroying need exclusive use.
///
/// *Lifetime, failure.* As those of `pool`.
class executor {
 public:
  executor(std::string name, const environment& env,
           const pool_options& options = {})
    : pool_(std::move(name), env, options) {}

  /// Calls `Function`, or `function`, with `args`. Waits only while the pool is
  /// full. Returns the `job`, by which to wait for the result or to go on with
  /// `then`.
  template <auto Function, class... Args>
  auto async(Args&&... args) {
    return pool_.submit<Function>(std::forward<Args>(args)...);
  }

  template <class F, class... Args>
  auto async(F&& function, Args&&... args) {
    return pool_.submit(std::forward<F>(function), std::forward<Args>(args)...);
  }

  /// Returns the results of `Function(x)` for each `x` of `inputs`, in their
  /// order: `for (auto& y : exec.map<&f>(xs))`. At most `window` jobs are under
  /// way, or wait for their turn as a result; 0 stands for twice the number of
  /// workers. An error is thrown where its result would have been. A pooled
  /// runnable must not use it, because it waits.
  template <auto Function, class Range>
  [[nodiscard]] auto map(Range&& inputs, std::size_t window = 0) {
    return map_with(std::forward<Range>(inputs), window, [this](auto&& x) {
      return pool_.submit<Function>(std::forward<decltype(x)>(x));
    });
  }

  /// As above, with a copy of `function` for each call.
  template <class Range, class F>
  [[nodiscard]] auto map(Range&& inputs, F function, std::size_t window = 0) {
    return map_with(std::forward<Range>(inputs), window,
                    [this, function = std::move(function)](auto&& x) {
                      return pool_.submit(function,
                                          std::forward<decltype(x)>(x));
                    });
  }

  [[nodiscard]] const std::string& name() const { return pool_.name(); }

  [[nodiscard]] std::size_t workers() const { return pool_.workers(); }

  [[nodiscard]] pool_stats stats() const { return pool_.stats(); }

  void close() { pool_.close(); }

  void stop() { pool_.stop(); }

  void join() { pool_.join(); }

  [[nodiscard]] bool join_for(std::chrono::nanoseconds timeout) {
    return pool_.join_for(timeout);
  }

 private:
  template <class Range, class Submit>
  auto map_with(Range&& inputs, std::size_t window, Submit submit) {
    return mapped<Range, Submit>{std::forward<Range>(inputs), std::move(submit),
                                 window != 0 ? window
                                             : 2 * pool_.max_workers()};
  }

  pool<> pool_;
};

} // namespace puma
