// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/worker_process.hpp"

#include "puma/environments/internal/worker_options.hpp"

#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace puma::internal {

bool prepare_worker_process(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // No signal comes for a parent that died before this.
  if (::getppid() != parent)
    return false;
  // The terminal sends these to the whole process group, but only the parent
  // decides what to do about them.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, SIG_DFL);
  // The launcher blocked some until here; what came meanwhile is now ignored.
  sigset_t none;
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  for (const int x :
       {worker_descriptor, worker_log_queue, worker_log_wake, worker_arena})
    ::fcntl(x, F_SETFD, FD_CLOEXEC);
  // Tools such as top would show "exe", as /proc/self/exe was executed.
  ::prctl(PR_SET_NAME, program_invocation_short_name);
  return true;
}

} // namespace puma::internal
