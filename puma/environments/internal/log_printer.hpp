// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <caf/actor.hpp>
#include <caf/event_based_actor.hpp>

#include <string>
#include <unordered_map>

namespace puma::internal {

/// Logs what actors of CAF print with `aout`, and so what CAF itself prints of
/// unexpected messages and exceptions. Stands in for CAF's printer, which still
/// serves actors that have redirected their output to a file.
class log_printer final : public caf::event_based_actor {
 public:
  log_printer(caf::actor_config& config, caf::actor original);

  [[nodiscard]] const char* name() const override { return "puma.log_printer"; }

  void on_exit() override;

 protected:
  caf::behavior make_behavior() override;

 private:
  struct output {
    std::string partial;
    bool is_redirected = false;
  };

  void print(caf::actor_id who, const std::string& text);
  void flush(output& x);

  caf::actor original_;
  bool all_redirected_ = false;
  std::unordered_map<caf::actor_id, output> outputs_;
};

} // namespace puma::internal
