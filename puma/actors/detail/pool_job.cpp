// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/pool_job.hpp"

#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/logging/log.hpp"

#include <exception>

namespace puma::detail {

void serve_job(pool_job& job, internal::task& where) {
  auto& ticket = job.ticket();
  if (!ticket.begin())
    return;
  try {
    job.perform();
  } catch (...) {
    job.thrown = where.ending_here();
    if (!job.thrown) {
      ticket.drop(where.describe() + " was told to stop");
      throw;
    }
  }
  ticket.settle();
}

void encode_outcome(encoder& to, const pool_job& job) {
  to.number(job.thrown.has_value());
  if (job.thrown)
    internal::encode(to, *job.thrown);
  else
    job.encode_value(to);
}

std::optional<failure> decode_outcome(decoder& from, pool_job& job) {
  if (from.number<bool>())
    return internal::decode_failure(from);
  job.decode_value(from);
  return std::nullopt;
}

bool wait_for_job(call_core& ticket, std::chrono::nanoseconds timeout) {
  if (ticket.ready())
    return true;
  if (auto* running = internal::party::current();
      running && !running->may_wait())
    throw usage_error{"job '" + ticket.method().name
                      + "': a pooled runnable must not wait for it; use "
                        "then(...), or start the runnable as dedicated"};
  return ticket.wait(internal::deadline_after(timeout));
}

void throw_job_not_done(const call_core& ticket,
                        std::chrono::nanoseconds timeout) {
  throw timeout_error{
    "job '" + ticket.method().name + "': not done within "
    + std::to_string(
      std::chrono::duration_cast<std::chrono::milliseconds>(timeout).count())
    + " ms; it goes on"};
}

void throw_no_job() {
  throw usage_error{
    "job: refers to none; its result has been taken, or it was cancelled"};
}

void report_unseen_error(const call_core& ticket) noexcept {
  try {
    if (const auto* error = ticket.error())
      log(log_level::error, "puma.pools",
          error->describe() + "; nobody has asked for the result of the job");
  } catch (...) {
    // Out of memory: there is nobody to tell.
  }
}

} // namespace puma::detail
