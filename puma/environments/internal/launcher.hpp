// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace puma::internal {

/// How a process ended.
struct process_exit {
  int code = 0; // the exit status, or the number of the signal; -1: unknown
  bool signaled = false;
  bool core = false; // the kernel wrote a core dump

  /// Returns a phrase such as "exited with status 3", "was killed by SIGKILL"
  /// or "was killed by SIGABRT (core dumped)".
  [[nodiscard]] std::string describe() const;
};

/// What a child is given; the descriptors stay the caller's.
struct child_files {
  std::vector<int> given{}; // as descriptor 3 and so on
  int output = -1;          // its standard output; -1: this process's
  int errors = -1;          // its standard error; -1: this process's
};

/// Starts processes of the own executable and tells how they end.
///
/// One thread does both, and lives as long as this object: the signal that a
/// child asks for with PR_SET_PDEATHSIG comes when the thread that started it
/// ends, not the process.
class launcher {
 public:
  /// Called on the launcher's thread, exactly once per child. Must neither
  /// block, nor throw, nor call `start`.
  using exit_handler = std::function<void(const process_exit&)>;

  launcher();

  launcher(const launcher&) = delete;
  launcher& operator=(const launcher&) = delete;

  /// Kills the children that are left; returns when they are gone and their
  /// handlers have been called.
  ~launcher();

  /// Starts the own executable, also when its file has been replaced or
  /// deleted; returns the process id. May be called from any thread but the
  /// launcher's, and waits for that one. Throws `error`.
  ///
  /// The child gets /dev/null as its input, duplicates of what is in `files`,
  /// and no other descriptor. It begins with
  /// SIGINT and SIGHUP blocked, so that a Ctrl-C while it starts does not end
  /// it; `prepare_worker_process` takes over from there.
  ///
  /// `on_exit` may be called before this returns.
  pid_t start(const std::vector<std::string>& arguments, child_files files,
              exit_handler on_exit);

  /// Sends a signal to a child; does nothing when the child has been reaped.
  void kill(pid_t process, int signal) noexcept;

 private:
  struct request {
    std::vector<std::string> command_line;
    child_files files;
    exit_handler on_exit;
    std::promise<pid_t> process;
  };

  struct child {
    int pidfd;
    exit_handler on_exit;
  };

  void run();
  void wake() const noexcept;
  void fulfill(request& x);
  void kill_all() noexcept;
  void wait_and_reap();
  void reap(pid_t process);

  std::string own_name_; // argv[0]
  std::mutex mutex_;
  std::vector<request> requests_;
  bool ending_ = false;
  // Only the launcher's thread changes it, and so reads it without the mutex.
  std::map<pid_t, child> children_;
  int wake_ = -1; // becomes readable when there is a request, or at the end
  std::thread thread_;
};

} // namespace puma::internal
