// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/registry.hpp"
#include "puma/environments/node.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace puma::internal {

class runtime_core;

/// Which runnables start where, as the command line or a file says: so that a
/// program is deployed in another way without being built again.
struct placement_config {
  struct node_entry {
    std::string address;
    node_options options;
  };

  std::map<std::string, node_entry> nodes;
  std::map<std::string, std::vector<std::string>> groups; ///< Of nodes.
  /// Patterns of names of runnables, and where these start. The first one that
  /// fits counts.
  std::vector<std::pair<std::string, std::string>> rules;

  /// Reads a YAML file. Throws `usage_error` that names file and line.
  static placement_config load(const std::string& file);

  static placement_config parse(const std::string& text,
                                const std::string& source);

  /// Puts a rule in front, such as `counter *=left`. Throws `usage_error`.
  void add_rule(std::string_view text);

  /// Throws `usage_error` if a name is used that stands for nothing, or twice.
  void check() const;
};

/// Finds the places of a configuration, and makes them on first use.
///
/// *Threads.* All functions may be called from any thread.
class placement {
 public:
  using starter_ptr = std::shared_ptr<run_starter>;

  /// @pre `config.check()` has passed
  placement(runtime_core& core, placement_config config);

  /// Returns what starts runnables in the place of that name: `thread`,
  /// `process`, a node or a group. Throws `usage_error` if there is none.
  starter_ptr starter(const std::string& name);

  /// Returns what is to start the runnable; null if nothing is said of it.
  starter_ptr starter_for(const detail::recipe& x);

 private:
  class group;
  struct member;

  member node_member(const std::string& name);
  starter_ptr make(const std::string& name);

  runtime_core& core_;
  const placement_config config_;
  std::mutex mutex_;
  std::map<std::string, starter_ptr> made_;
  std::map<std::string, std::shared_ptr<remote_host>> hosts_; // of nodes
};

} // namespace puma::internal
