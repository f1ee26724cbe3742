// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/hosting.hpp"

#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"

namespace puma::detail {

internal::task& hosting_task(const std::string& runnable) {
  auto* running = dynamic_cast<internal::task*>(internal::party::current());
  if (!running)
    throw usage_error{"runnable '" + runnable
                      + "': made outside of an environment; start it with "
                        "run<T>(...), which constructs it where it runs"};
  return *running;
}

void add_input(internal::task& host, const buffer_core& source,
               const input_ops& ops, void* subscriber) {
  host.add_input(source.queue(), ops, subscriber);
}

void require_input(internal::task& host) {
  host.require_input();
}

void set_source(internal::task& host, source_runnable& source) {
  host.set_source(source);
}

} // namespace puma::detail
