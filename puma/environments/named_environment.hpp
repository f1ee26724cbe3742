// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/worker_environment.hpp"

#include <memory>
#include <string>

namespace puma {

/// Runs runnables in the place that a name stands for: `thread`, `process`, or
/// a node or group of the placement. See `runtime::environment`.
///
/// A group starts runnables at its nodes in turn, and passes over those that
/// cannot be reached.
///
/// *Threads, lifetime, failure.* As those of `thread_environment`,
/// `process_environment` and `node`.
class named_environment final : public worker_environment {
 public:
  /// Throws `usage_error` if there is no such place.
  named_environment(runtime& rt, std::string name);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 protected:
  std::shared_ptr<const environment> share() const override;

 private:
  std::string name_;
};

} // namespace puma
