// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/pool_job.hpp"
#include "puma/environments/pool_options.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace puma {

class environment;

namespace internal {
class pool_core;
} // namespace internal

} // namespace puma

namespace puma::detail {

/// Stands for a buffer where there is none.
struct no_results {
  no_results() = delete;
};

/// What all pools have in common, whatever their jobs return.
class any_pool {
 public:
  any_pool(std::string name, const environment& env,
           const pool_options& options, buffer_core_ptr results);

  any_pool(any_pool&&) noexcept = default;
  any_pool& operator=(any_pool&& other) noexcept;

  ~any_pool();

  [[nodiscard]] const std::string& name() const;

  /// Returns the number of workers now, busy or not.
  [[nodiscard]] std::size_t workers() const;

  /// Returns the most workers that there may be.
  [[nodiscard]] std::size_t max_workers() const;

  /// Returns what has happened so far. What a worker does counts when it has
  /// finished the short jobs that it took in one go.
  [[nodiscard]] pool_stats stats() const;

  /// Takes no more jobs, whose submitters get `pool_closed`, also those that
  /// wait. The jobs that were taken are done; then the workers end and the
  /// results complete. Does not wait.
  void close();

  /// As above, but jobs that have not begun are not done: they fail with
  /// `pool_closed`, and the log counts them. Does not wait.
  void stop();

  /// Closes the pool, and waits until all jobs are done and all workers have
  /// ended. A pooled runnable must not wait: `usage_error`.
  void join();

  /// As above; returns false if that is not so after `timeout`.
  [[nodiscard]] bool join_for(std::chrono::nanoseconds timeout);

 protected:
  /// Room for a job that is to be made; given back if it is not.
  class reservation {
   public:
    reservation(any_pool& pool, submit_result result) noexcept
      : pool_(pool),
        result_(result) {}

    reservation(const reservation&) = delete;
    reservation& operator=(const reservation&) = delete;

    ~reservation();

    [[nodiscard]] submit_result result() const noexcept { return result_; }

    void use(pool_job_ptr x);

   private:
    any_pool& pool_;
    const submit_result result_;
    bool is_used_ = false;
  };

  void give(pool_job_ptr x);

  /// Waits for room at most `timeout`; if that is 0, does not wait.
  [[nodiscard]] submit_result reserve(std::chrono::nanoseconds timeout);

 private:
  [[nodiscard]] internal::pool_core& core() const;

  std::shared_ptr<internal::pool_core> core_;
};

} // namespace puma::detail
