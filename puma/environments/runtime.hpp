// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/options.hpp"
#include "puma/environments/shutdown.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace caf {
class actor_system;
} // namespace caf

namespace puma {

class named_environment;
class node;
struct node_options;

namespace internal {
class runtime_core;
} // namespace internal

/// Options of a runtime.
struct runtime_options {
  /// Scheduler threads; 0 stands for one per core.
  std::size_t threads = 0;

  /// How long the destructor waits for runnables that were told to stop.
  std::chrono::milliseconds teardown_timeout{30'000};
};

/// What was there when a drain or a limited join was over.
struct run_report {
  /// A runnable that is still alive.
  struct runnable_left {
    std::string name;
    std::string activity; ///< The hook it is in, or `waiting`.
  };

  /// The values of one buffer.
  struct buffer_left {
    std::string name;
    buffer_stats stats;
  };

  std::vector<runnable_left> still_alive;
  std::vector<buffer_left> buffers;

  /// Returns whether everything has ended.
  [[nodiscard]] bool done() const noexcept { return still_alive.empty(); }

  /// Returns the report as text, one line per entry.
  [[nodiscard]] std::string to_string() const;
};

/// Owns the scheduler threads, and knows every runnable that it started.
///
/// *Threads.* All functions may be called from any thread that is not inside a
/// hook. Destroying it needs exclusive use.
///
/// *Lifetime.* Make it before environments, buffers and runners. The destructor
/// stops what is still running, waits for it at most
/// `runtime_options::teardown_timeout`, and then gives up on it with a log
/// line; it never hangs.
///
/// *Failure.* Errors that nobody took are thrown by `join`.
class runtime {
 public:
  explicit runtime(runtime_options options = {});

  /// Used by `puma::main` and the test support.
  explicit runtime(std::unique_ptr<internal::runtime_core> core) noexcept;

  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  ~runtime();

  /// Waits until all runnables with inputs and all sources have ended, then
  /// stops those that have neither. When a runnable fails and nobody takes the
  /// error, stops all others instead and throws it. Throws `still_alive_error`
  /// if one does not stop in time.
  void join();

  /// As above, but gives up after `timeout` and says who is left, without
  /// having stopped anyone who would go on by itself.
  [[nodiscard]] run_report join_for(std::chrono::nanoseconds timeout);

  /// Ends everything in order: sources are not asked again and complete,
  /// plain-thread publishers get `closed`, values flow out, then everything
  /// else is stopped. What is not done after `timeout` is told to stop at once.
  /// Says who is left then. This is for good: it holds for what is started
  /// later, too.
  run_report drain(std::chrono::nanoseconds timeout);

  /// Ends everything, and says what it came to: drains, stops what is left
  /// then, fails the streams of what does not stop, and kills worker processes
  /// that still run something. Each step is taken only if the one before it was
  /// not enough, and has its time limit; so this returns after the sum of them
  /// at the latest. What does not answer even then is named in the report, and
  /// the destructor does not wait for it again. For good, as `drain` is. Errors
  /// that nobody took are in the report, and still thrown by `join`.
  shutdown_report shutdown(const shutdown_options& options = {});

  /// Returns whether `drain` was called, for example because of SIGINT: results
  /// may then be partial.
  [[nodiscard]] bool is_draining() const;

  /// Tells all runnables to stop after the value in hand. Does not wait.
  void stop();

  /// The command line arguments that puma did not consume; the first one is
  /// the program's name.
  [[nodiscard]] const std::vector<std::string>& args() const noexcept;

  /// Returns an environment that runs runnables at the node of that address,
  /// `tls://host:port`, to which it has connected. See `node`, which also has a
  /// constructor that does not wait.
  [[nodiscard]] node connect(const std::string& address, node_options options);
  [[nodiscard]] node connect(const std::string& address);

  /// Returns the environment of that name: `thread`, `process`, or a node or
  /// group of the placement that the command line names. Throws `usage_error`
  /// if there is none.
  [[nodiscard]] named_environment environment(const std::string& name);

  /// Returns the number of scheduler threads.
  [[nodiscard]] std::size_t threads() const noexcept;

  /// Returns CAF's actor system, for users of CAF; see `puma/caf.hpp`. Actors
  /// spawned there must end before this object goes: it does not wait for them.
  [[nodiscard]] caf::actor_system& actor_system() noexcept;

  [[nodiscard]] internal::runtime_core& core() noexcept { return *core_; }

 private:
  std::unique_ptr<internal::runtime_core> core_;
};

} // namespace puma
