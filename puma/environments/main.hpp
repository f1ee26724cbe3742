// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/runtime.hpp"

#include <functional>
#include <optional>
#include <type_traits>
#include <utility>

namespace puma {

namespace detail {
int run_main(int argc, char** argv, const std::function<int(runtime&)>& body);
} // namespace detail

/// Does the work of a worker process if this process is one, or serves as a
/// node if the command line has `--puma-node`, also by `--puma-config`, and
/// returns its exit code; returns nothing otherwise. `puma::main` does this
/// itself. A program with a `main` of its own that uses `process_environment`
/// or `node` calls it first: `if (auto code = puma::run_as_worker(argc, argv))
/// return *code;`
///
/// *Threads.* To be called once, from the main thread, before other threads
/// are started.
[[nodiscard]] std::optional<int> run_as_worker(int argc,
                                               const char* const* argv);

/// Runs an application: `return puma::main(argc, argv, [](puma::runtime& rt) {
/// … });`
///
/// Parses the options that start with `--puma-` and makes a runtime;
/// `rt.args()` has the rest. SIGINT and SIGTERM drain the runtime, whereupon
/// `rt.join()` returns; a second one stops everything at once.
///
/// Returns what `body` returns, if it returns an int; 0 otherwise. Returns 1
/// when an exception leaves `body`, when an error was not thrown to anyone, or
/// when a runnable does not stop; 2 when the command line is wrong. Each with a
/// line on the log that says why.
///
/// *Threads.* To be called once, from the main thread, before other threads
/// are started.
template <class F>
[[nodiscard]] int main(int argc, char** argv, F&& body) {
  return detail::run_main(argc, argv, [&body](runtime& rt) {
    if constexpr (std::is_void_v<std::invoke_result_t<F&, runtime&>>) {
      body(rt);
      return 0;
    } else {
      return body(rt);
    }
  });
}

} // namespace puma
