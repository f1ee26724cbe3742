// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/worker.hpp"

#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/internal/shared_arena.hpp"
#include "puma/environments/internal/worker_node.hpp"
#include "puma/environments/internal/worker_process.hpp"
#include "puma/logging/internal/log_hub.hpp"
#include "puma/logging/internal/spdlog_bridge.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>

namespace puma::internal {

namespace {

std::atomic<bool> allowed{false};

constexpr int exit_orphaned = 1;

} // namespace

void allow_workers() noexcept {
  allowed.store(true);
}

bool workers_allowed() noexcept {
  return allowed.load();
}

int run_worker(const worker_options& options) {
  if (!prepare_worker_process(options.parent))
    return exit_orphaned;
  auto& log_lines = log_hub::instance();
  log_lines.attach(worker_log_queue, worker_log_wake, options.name);
  shared_arena::attach(worker_arena);
  bridge_spdlog();
  // What is printed would otherwise wait for more, and be lost if the process
  // is killed.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  runtime_core core{{.threads = options.threads}};
  worker_node self{core.loop(),      core.link_loop(), core.all(),
                   core.local(),     options.self,     worker_descriptor,
                   options.directory};
  if (!self.wait_for_exit()) {
    // Nobody is left to tell anything to.
    std::_Exit(exit_orphaned);
  }
  if (!core.shut_down()) {
    std::cout.flush();
    log_lines.flush(); // of workers of its own
    std::_Exit(exit_orphaned);
  }
  return 0;
}

} // namespace puma::internal
