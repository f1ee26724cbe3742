// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/launcher.hpp"

#include "puma/base/error.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// Works also when the file is gone or another one has taken its place.
constexpr const char* own_executable = "/proc/self/exe";

/// Where a child finds the first descriptor it was given.
constexpr int given_descriptor = 3;

/// Above all that a child is given.
constexpr int spare_descriptor = 32;

// The wrappers of these calls came with glibc 2.36.
int open_pidfd(pid_t process) {
  return static_cast<int>(::syscall(SYS_pidfd_open, process, 0u));
}

void send_signal(int pidfd, int signal) noexcept {
  ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0u);
}

std::string executable_path() {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink(own_executable, failed);
  return failed ? own_executable : path.string();
}

std::string name_of_this_process() {
  std::ifstream in{"/proc/self/cmdline"};
  std::string name;
  std::getline(in, name, '\0');
  return name.empty() ? executable_path() : name;
}

/// Throws unless `code`, an errno value, is 0.
void check(int code) {
  if (code != 0)
    throw error{"cannot start " + executable_path() + ": "
                + std::strerror(code)};
}

/// What a child is to find: its descriptors and signals.
class spawn_plan {
 public:
  explicit spawn_plan(const child_files& files) : spawn_plan() {
    int next = given_descriptor;
    for (const int x : files.given)
      give(x, next++);
    if (files.output >= 0)
      give(files.output, STDOUT_FILENO);
    if (files.errors >= 0)
      give(files.errors, STDERR_FILENO);
    check(::posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null",
                                             O_RDONLY, 0));
    check(::posix_spawn_file_actions_addclosefrom_np(&files_, next));
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGHUP);
    check(::posix_spawnattr_setsigmask(&attributes_, &blocked));
    check(::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK));
  }

  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;

  ~spawn_plan() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&files_);
    for (const int x : spares_)
      ::close(x);
  }

  [[nodiscard]] pid_t spawn(char* const* command_line) const {
    pid_t result = -1;
    check(::posix_spawn(&result, own_executable, &files_, &attributes_,
                        command_line, environ));
    return result;
  }

 private:
  // On its own, so that the destructor runs when the other constructor throws.
  spawn_plan() {
    ::posix_spawn_file_actions_init(&files_);
    ::posix_spawnattr_init(&attributes_);
  }

  /// Lets the child find `descriptor` as `number`. By way of a duplicate with a
  /// high number, since another one may be given the number of this one.
  void give(int descriptor, int number) {
    const int spare = ::fcntl(descriptor, F_DUPFD_CLOEXEC, spare_descriptor);
    if (spare < 0)
      check(errno);
    spares_.push_back(spare);
    check(::posix_spawn_file_actions_adddup2(&files_, spare, number));
  }

  std::vector<int> spares_;
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

/// Waits for the end of a child and lets go of its process id.
process_exit take_exit(int pidfd) {
  siginfo_t info{};
  int result = 0;
  do {
    result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED);
  } while (result < 0 && errno == EINTR);
  if (result < 0)
    return {-1, false, false};
  return {info.si_status, info.si_code != CLD_EXITED,
          info.si_code == CLD_DUMPED};
}

/// Lets the kernel keep the exit status of children, if this process inherited
/// that it does not.
void expect_children() {
  struct sigaction current {};
  ::sigaction(SIGCHLD, nullptr, &current);
  if (current.sa_handler == SIG_IGN)
    std::signal(SIGCHLD, SIG_DFL);
}

} // namespace

std::string process_exit::describe() const {
  if (code < 0)
    return "ended with a status that something else in this process took";
  if (!signaled)
    return "exited with status " + std::to_string(code);
  std::string result = "was killed by ";
  if (const auto* name = ::sigabbrev_np(code))
    result.append("SIG").append(name);
  else
    result.append("signal ").append(std::to_string(code));
  if (core)
    result += " (core dumped)";
  return result;
}

launcher::launcher() : own_name_(name_of_this_process()) {
  expect_children();
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_ < 0)
    throw error{std::string{"eventfd failed: "} + std::strerror(errno)};
  // No handler of the application runs on the launcher's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread{[this] { run(); }};
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(wake_);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

launcher::~launcher() {
  {
    std::scoped_lock lock{mutex_};
    ending_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_);
}

pid_t launcher::start(const std::vector<std::string>& arguments,
                      child_files files, exit_handler on_exit) {
  request x{{own_name_}, std::move(files), std::move(on_exit), {}};
  x.command_line.insert(x.command_line.end(), arguments.begin(),
                        arguments.end());
  auto process = x.process.get_future();
  {
    std::scoped_lock lock{mutex_};
    requests_.push_back(std::move(x));
  }
  wake();
  return process.get();
}

void launcher::kill(pid_t process, int signal) noexcept {
  // The mutex keeps the descriptor open.
  std::scoped_lock lock{mutex_};
  if (const auto i = children_.find(process); i != children_.end())
    send_signal(i->second.pidfd, signal);
}

void launcher::run() {
  for (bool killed = false;;) {
    std::vector<request> requests;
    bool ending = false;
    {
      std::scoped_lock lock{mutex_};
      requests.swap(requests_);
      ending = ending_;
    }
    for (auto& x : requests)
      fulfill(x);
    if (ending && !std::exchange(killed, true))
      kill_all();
    if (ending && children_.empty())
      return;
    wait_and_reap();
  }
}

void launcher::wake() const noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_, &one, sizeof(one)));
}

void launcher::fulfill(request& x) {
  try {
    std::vector<char*> command_line;
    command_line.reserve(x.command_line.size() + 1);
    for (auto& word : x.command_line)
      command_line.push_back(word.data());
    command_line.push_back(nullptr);
    const auto process = spawn_plan{x.files}.spawn(command_line.data());
    const int pidfd = open_pidfd(process);
    if (pidfd < 0) {
      const int reason = errno;
      ::kill(process, SIGKILL); // not reaped yet, so the id is still its own
      ::waitpid(process, nullptr, 0);
      check(reason);
    }
    {
      std::scoped_lock lock{mutex_};
      children_[process] = child{pidfd, std::move(x.on_exit)};
    }
    x.process.set_value(process);
  } catch (...) {
    x.process.set_exception(std::current_exception());
  }
}

void launcher::kill_all() noexcept {
  for (const auto& x : children_)
    send_signal(x.second.pidfd, SIGKILL);
}

void launcher::wait_and_reap() {
  std::vector<pollfd> polled;
  std::vector<pid_t> processes;
  for (const auto& [process, x] : children_) {
    polled.push_back({x.pidfd, POLLIN, 0});
    processes.push_back(process);
  }
  polled.push_back({wake_, POLLIN, 0});
  if (::poll(polled.data(), polled.size(), -1) < 0)
    return;
  std::uint64_t ignored = 0;
  static_cast<void>(!::read(wake_, &ignored, sizeof(ignored)));
  for (std::size_t i = 0; i != processes.size(); ++i) {
    if (polled[i].revents != 0)
      reap(processes[i]);
  }
}

void launcher::reap(pid_t process) {
  const auto i = children_.find(process);
  const auto ended = take_exit(i->second.pidfd);
  const auto on_exit = std::move(i->second.on_exit);
  {
    std::scoped_lock lock{mutex_};
    ::close(i->second.pidfd);
    children_.erase(i);
  }
  if (on_exit)
    on_exit(ended);
}

} // namespace puma::internal
