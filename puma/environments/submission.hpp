// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/job.hpp"
#include "puma/environments/pool_options.hpp"

#include <utility>

namespace puma {

/// What came of submitting a job without waiting: the job, or why it was not
/// taken. Its arguments are untouched then.
template <class R>
class submission {
 public:
  explicit submission(submit_result status) noexcept : status_(status) {}

  explicit submission(job<R> taken) noexcept
    : status_(submit_result::accepted),
      job_(std::move(taken)) {}

  [[nodiscard]] submit_result status() const noexcept { return status_; }

  [[nodiscard]] explicit operator bool() const noexcept {
    return status_ == submit_result::accepted;
  }

  /// The job. @pre `status() == submit_result::accepted`
  [[nodiscard]] job<R>& operator*() noexcept { return job_; }

  [[nodiscard]] job<R>* operator->() noexcept { return &job_; }

 private:
  submit_result status_;
  job<R> job_;
};

} // namespace puma
