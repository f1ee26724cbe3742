// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/actors/runner.hpp"
#include "puma/buffers/detail/ends.hpp"
#include "puma/environments/internal/pool_core.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace puma::internal {

/// One worker of a pool, in the pool's process.
class pool_slot final : public command_driven_runnable {
 public:
  /// Which argument of the recipe it publishes to: none that is a buffer. The
  /// first one is its name.
  static constexpr std::size_t token_argument = static_cast<std::size_t>(-1);

  pool_slot(std::string name, std::shared_ptr<pool_seat> seat);
  ~pool_slot() override;

  /// Does jobs until there are none.
  void look_for_jobs();

 protected:
  void on_start() override;
  void on_tick(std::chrono::steady_clock::time_point) override;

 private:
  void do_jobs(detail::pool_job** jobs, std::size_t count);
  void do_job(detail::pool_job& taken);
  void perform(const detail::pool_job_ptr& x);
  void deliver(detail::pool_job& x);
  void start_worker();
  void wait_for_worker();
  failure lose_worker();
  [[nodiscard]] bool search();

  const std::shared_ptr<pool_seat> seat_;
  pool_core& pool_;
  detail::outlet_ptr results_;
  runner worker_; // in another process; or of nothing
  bool has_worker_ = false;
  bool has_run_ = false; // since the last tick
  bool ticks_ = false;
  bool jobs_are_short_ = false;
};

/// A worker of a pool in another process: the jobs are its calls.
class pool_worker final : public command_driven_runnable {
 public:
  explicit pool_worker(std::string name);
};

} // namespace puma::internal
