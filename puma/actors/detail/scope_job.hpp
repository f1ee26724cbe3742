// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <memory>
#include <string>

namespace puma::internal {

class job_inbox;
class task;

} // namespace puma::internal

namespace puma::detail {

/// Something to be done in the scope of a runnable, between two of its values.
class scope_job {
 public:
  scope_job() = default;

  scope_job(const scope_job&) = delete;
  scope_job& operator=(const scope_job&) = delete;

  virtual ~scope_job() = default;

  /// Returns what the runnable is doing while it runs this.
  [[nodiscard]] virtual const char* activity() const noexcept = 0;

  /// Called once, in the runnable's scope. What it throws ends the runnable.
  virtual void run(internal::task& where) = 0;

  /// Called in place of `run`, on any thread, when the runnable has ended;
  /// `why` says how. Returns whether this is a loss that somebody must hear of,
  /// and will not otherwise.
  virtual bool drop(const std::string& why) noexcept = 0;

 private:
  friend class internal::job_inbox;

  // While it is in an inbox.
  std::shared_ptr<scope_job> self_;
  scope_job* next_ = nullptr;
};

using job_ptr = std::shared_ptr<scope_job>;

} // namespace puma::detail
