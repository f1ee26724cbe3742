// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/registry.hpp"
#include "puma/environments/internal/io_loop.hpp"
#include "puma/environments/internal/placement.hpp"
#include "puma/environments/internal/polled_loop.hpp"
#include "puma/environments/node.hpp"
#include "puma/environments/runtime.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace puma::internal {

class home_node;
class overseer;

/// What a runtime consists of: CAF's actor system with our scheduling policy,
/// and the registry.
class runtime_core {
 public:
  /// How runnables get to run.
  enum class scheduling {
    threads, ///< On worker threads.
    manual,  ///< Only when a test drives CAF's test coordinator.
  };

  explicit runtime_core(const runtime_options& options,
                        scheduling how = scheduling::threads);

  runtime_core(const runtime_core&) = delete;
  runtime_core& operator=(const runtime_core&) = delete;

  /// Stops everything. What does not stop in time is logged, and the actor
  /// system is left behind: its destructor would wait for ever.
  ~runtime_core();

  [[nodiscard]] registry& all() noexcept { return *registry_; }

  /// Returns the supervisors, and the actor that decides for them exists.
  [[nodiscard]] supervision& supervisors();

  [[nodiscard]] caf::actor_system& system() noexcept { return *system_; }

  /// Starts runnables in this process.
  [[nodiscard]] const std::shared_ptr<run_starter>& local() const noexcept {
    return local_;
  }

  /// Returns what starts and watches worker processes; made on first use.
  [[nodiscard]] home_node& processes();

  /// Returns the loop for connections to other processes; made on first use.
  [[nodiscard]] io_loop& loop();

  /// Returns that for connections that values go over, which idle workers of
  /// the scheduler look after; made on first use.
  [[nodiscard]] io_loop& link_loop();

  [[nodiscard]] run_report report() const;

  /// Has worker processes say what they are doing, for reports.
  void ask_for_activities();

  /// Ends worker processes that still run something. Returns false if there
  /// have never been any.
  bool kill_busy_processes();

  /// Stops everything, as the destructor does. Returns false if something did
  /// not stop in time.
  bool shut_down() noexcept;

  /// Lets a configuration say where runnables start. Throws `usage_error`.
  void set_placement(placement_config config);

  /// Returns what starts runnables in the place of that name.
  [[nodiscard]] std::shared_ptr<run_starter> place(const std::string& name);

  /// Returns what is to start the runnable, where the code says `otherwise`.
  [[nodiscard]] std::shared_ptr<run_starter>
  place(const detail::recipe& x, const std::shared_ptr<run_starter>& otherwise);

  std::vector<std::string> args;

  /// What nodes get to see where nothing else is said; set before they are
  /// made.
  node_credentials credentials;

 private:
  class local_starter;

  bool wait_for_threads() const;
  void dismiss_overseer() noexcept;

  task* launch(const registry::record_ptr& record);

  const scheduling scheduling_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  std::shared_ptr<registry> registry_;
  std::shared_ptr<run_starter> local_;
  std::mutex overseer_mutex_;
  overseer* overseer_ = nullptr; // counted
  std::mutex processes_mutex_;
  std::unique_ptr<io_loop> loop_;
  std::shared_ptr<polled_loop> link_loop_;
  std::unique_ptr<home_node> processes_;
  std::unique_ptr<placement> placement_;
  bool is_down_ = false;
  std::size_t own_threads_ = 0; // of actors that belong to CAF
};

} // namespace puma::internal
