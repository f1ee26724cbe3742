// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/detail/any_pool.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/environments/internal/pool_core.hpp"

#include <utility>

namespace puma::detail {

any_pool::any_pool(std::string name, const environment& env,
                   const pool_options& options, buffer_core_ptr results)
  : core_(std::make_shared<internal::pool_core>(std::move(name), env, options,
                                                std::move(results))) {
  try {
    core_->open();
  } catch (...) {
    core_->let_go();
    throw;
  }
}

any_pool& any_pool::operator=(any_pool&& other) noexcept {
  if (this != &other) {
    if (core_)
      core_->let_go();
    core_ = std::move(other.core_);
  }
  return *this;
}

any_pool::~any_pool() {
  if (core_)
    core_->let_go();
}

internal::pool_core& any_pool::core() const {
  if (!core_)
    throw usage_error{"pool: it was moved from"};
  return *core_;
}

const std::string& any_pool::name() const {
  return core().name();
}

std::size_t any_pool::workers() const {
  return core().stats().workers;
}

std::size_t any_pool::max_workers() const {
  return core().options().max_workers;
}

pool_stats any_pool::stats() const {
  return core().stats();
}

void any_pool::close() {
  core().close();
}

void any_pool::stop() {
  core().stop();
}

void any_pool::join() {
  static_cast<void>(join_for(std::chrono::nanoseconds::max()));
}

bool any_pool::join_for(std::chrono::nanoseconds timeout) {
  core().close();
  return core().wait_until_ended(internal::deadline_after(timeout));
}

void any_pool::give(pool_job_ptr x) {
  core().submit(std::move(x));
}

submit_result any_pool::reserve(std::chrono::nanoseconds timeout) {
  return core().reserve(timeout.count() == 0
                          ? internal::no_wait
                          : internal::deadline_after(timeout));
}

any_pool::reservation::~reservation() {
  if (result_ == submit_result::accepted && !is_used_)
    pool_.core().return_reservation();
}

void any_pool::reservation::use(pool_job_ptr x) {
  is_used_ = true;
  pool_.core().submit_reserved(std::move(x));
}

} // namespace puma::detail
