// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/output_list.hpp"

#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"
#include "puma/logging/log.hpp"

namespace puma::detail {

namespace {

std::string about(const std::string& runnable, std::string_view buffer) {
  return "runnable '" + runnable + "': buffer '" + std::string{buffer} + "' ";
}

} // namespace

bool may_wait(const internal::task& host) noexcept {
  return host.may_wait();
}

void throw_output_known(const std::string& runnable, std::string_view buffer) {
  throw usage_error{about(runnable, buffer) + "is one of its outputs already"};
}

void throw_output_unknown(const std::string& runnable,
                          std::string_view buffer) {
  throw usage_error{about(runnable, buffer) + "is not one of its outputs"};
}

void throw_output_ended(const std::string& runnable, std::string_view buffer) {
  throw usage_error{about(runnable, buffer)
                    + "cannot be an output: its stream has ended already"};
}

void tell_output_ended(const std::string& runnable, std::string_view buffer) {
  log(log_level::info, "puma.actors",
      about(runnable, buffer)
        + "is no output any more, because its stream has ended");
}

} // namespace puma::detail
