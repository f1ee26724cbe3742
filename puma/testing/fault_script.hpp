// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/runtime.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace puma::testing {

/// Lets runnables go wrong where a test says, without a change in their code:
/// for tests of what a pipeline does about it.
///
///     fault_script faults{rt};
///     faults.fail({.runnable = "parser", .at = 3}, "broken line");
///     faults.kill({.runnable = "scorer", .at = 100});
///
/// It holds for runnables that are started after it was said, in threads and in
/// worker processes, and for as long as the script lives. Those that it names
/// get values one by one, before `on_values` sees the others.
///
/// *Threads.* To be used by one thread at a time; one per runtime.
///
/// *Lifetime.* The runtime must outlive it. The destructor lets those go on
/// that hang in this process.
class fault_script {
 public:
  /// Where it may strike: before the hook is called.
  enum class hook { on_start, on_value, on_demand, on_tick, on_complete };

  /// Where and when to strike.
  struct moment {
    /// The name that the runnable has given itself.
    std::string runnable;

    fault_script::hook hook = fault_script::hook::on_value;

    /// The how manieth call of the hook it is, within one instance.
    std::uint64_t at = 1;

    /// In which instance of it, where a supervisor restarts it: 1 is the first
    /// one, 0 stands for each.
    std::uint64_t instance = 1;
  };

  explicit fault_script(runtime& rt);

  fault_script(const fault_script&) = delete;
  fault_script& operator=(const fault_script&) = delete;

  ~fault_script();

  /// The hook throws `injected_fault`.
  fault_script& fail(const moment& when,
                     const std::string& text = "injected fault");

  /// The hook does not return, whatever it is told: until `release`, or for
  /// ever in a worker process. Throws `usage_error` there and then under the
  /// virtual clock.
  fault_script& hang(const moment& when);

  /// Ends the process of the runnable with SIGKILL. In the process of the test
  /// the hook throws `usage_error` instead.
  fault_script& kill(const moment& when);

  /// Lets those go on that hang in this process.
  void release();

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

} // namespace puma::testing
