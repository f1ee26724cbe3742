// SPDX-License-Identifier: Apache-2.0
//
// With --child as its first argument this program is the child that the tests
// start.

#include "puma/environments/internal/launcher.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/private_directory.hpp"
#include "puma/environments/internal/unix_socket.hpp"
#include "puma/environments/internal/worker_process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;
using puma::internal::connect_to;
using puma::internal::launcher;
using puma::internal::listen_at;
using puma::internal::prepare_worker_process;
using puma::internal::private_directory;
using puma::internal::process_exit;
using puma::internal::same_user;
using puma::internal::socket_pair;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::Throws;
using ::testing::ThrowsMessage;

namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;
using words = std::vector<std::string>;

/// For what must happen; a test that comes so far has failed.
constexpr auto patience = 60s;

/// The user id of `nobody`.
constexpr uid_t nobody = 65534;

// -- what both sides use ------------------------------------------------------

/// Waits until something can be read, or the other end is closed.
bool wait_readable(int descriptor) {
  pollfd x{descriptor, POLLIN, 0};
  const auto limit = std::chrono::milliseconds{patience}.count();
  return ::poll(&x, 1, static_cast<int>(limit)) > 0;
}

/// Returns what comes next, and "" at the end.
std::string read_some(int descriptor) {
  char buffer[4096];
  if (!wait_readable(descriptor))
    return "";
  const auto count = ::read(descriptor, buffer, sizeof(buffer));
  return count <= 0 ? "" : std::string(buffer, static_cast<size_t>(count));
}

std::string read_line(int descriptor) {
  std::string result;
  for (char c = 0; wait_readable(descriptor) && ::read(descriptor, &c, 1) == 1
                   && c != '\n';)
    result += c;
  return result;
}

std::string read_all(int descriptor) {
  std::string result;
  for (auto x = read_some(descriptor); !x.empty(); x = read_some(descriptor))
    result += x;
  return result;
}

void write_all(int descriptor, const std::string& text) {
  if (::write(descriptor, text.data(), text.size())
      != static_cast<ssize_t>(text.size()))
    std::abort();
}

std::string now_in_nanoseconds() {
  return std::to_string(steady::now().time_since_epoch() / 1ns);
}

/// Returns the value of a line of /proc/self/status.
std::string own_status(const std::string& key) {
  std::ifstream in{"/proc/self/status"};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":"))
      return line.substr(line.find_first_not_of(" \t", key.size() + 1));
  }
  return "?";
}

bool contains_signal(const std::string& status_mask, int signal) {
  return (std::stoull(status_mask, nullptr, 16) >> (signal - 1) & 1u) != 0;
}

/// Returns the names of those of some signals that are in the mask.
std::string names_of(const std::string& status_mask) {
  std::string result;
  for (int signal = 1; signal < 32; ++signal) {
    if (contains_signal(status_mask, signal))
      result.append(" ").append(::sigabbrev_np(signal));
  }
  return result;
}

// -- the child ----------------------------------------------------------------

constexpr int given = 3;

void report(const std::string& line) {
  write_all(given, line + "\n");
}

[[noreturn]] void wait_for_a_signal() {
  for (;;)
    ::pause();
}

void list_descriptors() {
  const fs::path list{"/proc/self/fd"};
  words found;
  for (const auto& entry : fs::directory_iterator{list})
    found.push_back(entry.path().filename().string());
  // The one that was open to read the list is gone.
  std::erase_if(
    found, [](const auto& x) { return ::fcntl(std::stoi(x), F_GETFD) < 0; });
  std::sort(found.begin(), found.end());
  std::string line;
  for (const auto& x : found)
    line += x + " ";
  report(line + fs::read_symlink(list / "0").string());
}

void echo() {
  for (auto x = read_some(given); !x.empty(); x = read_some(given))
    write_all(given, x);
}

void list_signals() {
  report("blocked:" + names_of(own_status("SigBlk")));
  // Both would end a child that is not prepared.
  ::kill(::getpid(), SIGINT);
  ::kill(::getpid(), SIGHUP);
  if (!prepare_worker_process(::getppid()))
    return;
  report("blocked:" + names_of(own_status("SigBlk")));
  report("ignored:" + names_of(own_status("SigIgn")));
  int death_signal = 0;
  ::prctl(PR_GET_PDEATHSIG, &death_signal);
  report(std::string{"at the parent's death: "} + ::sigabbrev_np(death_signal));
  report("descriptor 3 is inherited: "
         + std::to_string((::fcntl(given, F_GETFD) & FD_CLOEXEC) == 0));
  report("name: " + own_status("Name"));
}

/// Starts a prepared child of its own, tells its process id, and stays.
void be_in_the_middle() {
  launcher starter;
  const auto [ours, theirs] = socket_pair();
  const auto child = starter.start(
    {"--child", "stay", std::to_string(::getpid())}, {.given = {theirs}}, {});
  read_line(ours); // it is prepared
  report(std::to_string(child));
  wait_for_a_signal();
}

/// Starts a child after its own executable is gone.
int launch_without_file() {
  fs::remove(fs::read_symlink("/proc/self/exe"));
  std::promise<int> code;
  launcher starter;
  starter.start({"--child", "exit", "5"}, {.given = {given}},
                [&code](const process_exit& x) { code.set_value(x.code); });
  return code.get_future().get();
}

int run_child(const words& arguments) {
  // Nothing is left behind by a test that fails.
  ::alarm(static_cast<unsigned>(3 * std::chrono::seconds{patience}.count()));
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  const auto& mode = arguments.at(0);
  if (mode == "wait") {
    report("ready");
    wait_for_a_signal();
  } else if (mode == "exit") {
    report(now_in_nanoseconds());
    ::_exit(std::stoi(arguments.at(1)));
  } else if (mode == "abort") {
    std::abort();
  } else if (mode == "kill self") {
    ::raise(std::stoi(arguments.at(1)));
  } else if (mode == "descriptors") {
    list_descriptors();
  } else if (mode == "echo") {
    echo();
  } else if (mode == "signals") {
    list_signals();
  } else if (mode == "stay") {
    if (!prepare_worker_process(std::stoi(arguments.at(1))))
      return 7;
    report("ready");
    if (arguments.size() > 2)
      echo();
    else
      wait_for_a_signal();
  } else if (mode == "command line") {
    std::ifstream in{"/proc/self/cmdline"};
    report(std::string{std::istreambuf_iterator<char>{in}, {}});
  } else if (mode == "middle") {
    be_in_the_middle();
  } else if (mode == "launch without file") {
    return launch_without_file();
  }
  return 0;
}

// -- the tests of launcher ----------------------------------------------------

struct observed_exit {
  process_exit how;
  steady::time_point when;
};

/// A child together with the end of the socket that belongs to the test.
class observed_child {
 public:
  observed_child(launcher& starter, words arguments) {
    const auto [ours, theirs] = socket_pair();
    socket_ = ours;
    arguments.insert(arguments.begin(), "--child");
    // A second call would throw, and end the test.
    auto promise = std::make_shared<std::promise<observed_exit>>();
    exit_ = promise->get_future();
    pid_ = starter.start(arguments, {.given = {theirs}},
                         [promise](const process_exit& x) {
                           promise->set_value({x, steady::now()});
                         });
    ::close(theirs);
  }

  observed_child(const observed_child&) = delete;
  observed_child& operator=(const observed_child&) = delete;

  ~observed_child() { close(); }

  void close() {
    if (socket_ >= 0)
      ::close(std::exchange(socket_, -1));
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] int socket() const { return socket_; }

  [[nodiscard]] bool has_exited() const {
    return exit_.wait_for(0s) == std::future_status::ready;
  }

  observed_exit wait() {
    if (exit_.wait_for(patience) != std::future_status::ready)
      throw std::runtime_error{"the child has not ended"};
    return exit_.get();
  }

  std::string describe_exit() { return wait().how.describe(); }

 private:
  int socket_ = -1;
  std::future<observed_exit> exit_;
  pid_t pid_ = -1;
};

/// Whether there is such a process; a zombie is one.
bool exists(pid_t process) {
  return ::kill(process, 0) == 0 || errno != ESRCH;
}

bool has_children() {
  return ::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD;
}

/// Waits until a process that is nobody's child here has ended.
bool wait_until_gone(pid_t process) {
  const auto pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process, 0u));
  if (pidfd < 0)
    return errno == ESRCH;
  const bool result = wait_readable(pidfd);
  ::close(pidfd);
  return result;
}

/// Repeats what took longer than it may: the machine may be busy.
template <class F>
std::chrono::nanoseconds shortest_of_some(F measure) {
  auto result = std::chrono::nanoseconds::max();
  for (int i = 0; i != 50 && result > 100ms; ++i)
    result = std::min(result, std::chrono::nanoseconds{measure()});
  return result;
}

TEST(process_exit, is_told_in_words) {
  EXPECT_EQ((process_exit{3, false, false}.describe()), "exited with status 3");
  EXPECT_EQ((process_exit{SIGKILL, true, false}.describe()),
            "was killed by SIGKILL");
  EXPECT_EQ((process_exit{SIGABRT, true, true}.describe()),
            "was killed by SIGABRT (core dumped)");
  EXPECT_EQ((process_exit{40, true, false}.describe()),
            "was killed by signal 40");
}

TEST(launcher, tells_the_status_of_a_child) {
  launcher starter;
  observed_child zero{starter, {"exit", "0"}};
  observed_child three{starter, {"exit", "3"}};

  EXPECT_EQ(zero.describe_exit(), "exited with status 0");
  EXPECT_EQ(three.describe_exit(), "exited with status 3");
}

TEST(launcher, tells_the_signal_that_ended_a_child) {
  launcher starter;
  observed_child aborted{starter, {"abort"}};
  observed_child terminated{starter, {"kill self", std::to_string(SIGTERM)}};
  observed_child killed{starter, {"wait"}};
  starter.kill(killed.pid(), SIGKILL);

  EXPECT_THAT(aborted.describe_exit(), StartsWith("was killed by SIGABRT"));
  EXPECT_EQ(terminated.describe_exit(), "was killed by SIGTERM");
  EXPECT_EQ(killed.describe_exit(), "was killed by SIGKILL");
}

TEST(launcher, tells_an_exit_within_100_ms) {
  launcher starter;

  EXPECT_LT(shortest_of_some([&] {
              observed_child x{starter, {"exit", "0"}};
              const steady::time_point left{
                std::chrono::nanoseconds{std::stoll(read_line(x.socket()))}};
              return x.wait().when - left;
            }),
            100ms);
}

TEST(launcher, tells_a_death_by_signal_within_100_ms) {
  launcher starter;

  EXPECT_LT(shortest_of_some([&] {
              observed_child x{starter, {"wait"}};
              read_line(x.socket());
              const auto begin = steady::now();
              starter.kill(x.pid(), SIGKILL);
              return x.wait().when - begin;
            }),
            100ms);
}

TEST(launcher, tells_an_exit_without_a_handler_to_nobody) {
  launcher starter;
  const auto [ours, theirs] = socket_pair();
  const auto child = starter.start({"--child", "exit", "0"},
                                   {.given = {theirs}}, {});
  ::close(theirs);

  EXPECT_TRUE(wait_until_gone(child));
  ::close(ours);
}

TEST(launcher, tells_an_exit_when_children_were_ignored_before) {
  std::signal(SIGCHLD, SIG_IGN);
  launcher starter;
  observed_child x{starter, {"exit", "3"}};

  EXPECT_EQ(x.describe_exit(), "exited with status 3");
}

TEST(launcher, ignores_a_signal_to_a_child_that_was_reaped) {
  launcher starter;
  observed_child x{starter, {"exit", "0"}};
  EXPECT_EQ(x.describe_exit(), "exited with status 0");

  starter.kill(x.pid(), SIGKILL);
  starter.kill(::getpid(), SIGKILL); // not its child either
}

TEST(launcher, leaves_no_process_and_no_zombie) {
  auto starter = std::make_unique<launcher>();
  std::vector<std::unique_ptr<observed_child>> children;
  for (int i = 0; i != 5; ++i)
    children.push_back(
      std::make_unique<observed_child>(*starter, words{"wait"}));
  // One that ignores most signals.
  const auto own_id = std::to_string(::getpid());
  children.push_back(
    std::make_unique<observed_child>(*starter, words{"stay", own_id}));
  // One that has just ended.
  children.push_back(
    std::make_unique<observed_child>(*starter, words{"exit", "0"}));
  for (const auto& x : children)
    read_line(x->socket());

  starter.reset();

  for (const auto& x : children) {
    EXPECT_FALSE(exists(x->pid()));
    ASSERT_TRUE(x->has_exited());
  }
  EXPECT_FALSE(has_children());
  children.pop_back();
  for (const auto& x : children)
    EXPECT_EQ(x->describe_exit(), "was killed by SIGKILL");
}

TEST(launcher, starts_100_children_at_once_from_several_threads) {
  launcher starter;
  std::vector<std::unique_ptr<observed_child>> children(100);
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t != 4; ++t)
      threads.emplace_back([&, t] {
        for (auto i = t; i < children.size(); i += 4)
          children[i] = std::make_unique<observed_child>(starter,
                                                         words{"echo"});
      });
  }
  for (std::size_t i = 0; i != children.size(); ++i)
    write_all(children[i]->socket(), std::to_string(i) + "\n");
  for (std::size_t i = 0; i != children.size(); ++i)
    EXPECT_EQ(read_line(children[i]->socket()), std::to_string(i));
  for (auto& x : children)
    x->close();
  for (auto& x : children)
    EXPECT_EQ(x->describe_exit(), "exited with status 0");
}

TEST(launcher, gives_a_child_no_descriptor_that_is_not_meant_for_it) {
  launcher starter;
  const int leak = ::open("/dev/null", O_RDONLY);
  const int high_leak = ::fcntl(leak, F_DUPFD, 500);
  observed_child x{starter, {"descriptors"}};

  EXPECT_EQ(read_all(x.socket()), "0 1 2 3 /dev/null\n");

  ::close(leak);
  ::close(high_leak);
}

TEST(launcher, gives_a_child_any_descriptor_as_number_3) {
  for (const int number : {given, STDIN_FILENO}) {
    const auto [ours, theirs] = socket_pair();
    const int high_ours = ::fcntl(ours, F_DUPFD_CLOEXEC, 100);
    const int high_theirs = ::fcntl(theirs, F_DUPFD_CLOEXEC, 100);
    ::close(ours);
    ::close(theirs);
    const int replaced = ::fcntl(number, F_DUPFD_CLOEXEC, 100);
    ::dup3(high_theirs, number, O_CLOEXEC);
    ::close(high_theirs);
    {
      launcher starter;
      starter.start({"--child", "descriptors"}, {.given = {number}}, {});
      ::close(number);
      EXPECT_EQ(read_all(high_ours), "0 1 2 3 /dev/null\n") << number;
    }
    ::close(high_ours);
    if (replaced >= 0) {
      ::dup2(replaced, number);
      ::close(replaced);
    }
  }
}

TEST(launcher, gives_a_child_the_name_of_its_parent_and_its_arguments) {
  std::ifstream in{"/proc/self/cmdline"};
  std::string own_name;
  std::getline(in, own_name, '\0');
  launcher starter;
  observed_child x{starter, {"command line", "", "two words"}};

  const std::string separator(1, '\0');
  EXPECT_EQ(read_all(x.socket()), own_name + separator + "--child" + separator
                                    + "command line" + separator + separator
                                    + "two words" + separator + "\n");
}

TEST(launcher, starts_children_after_its_executable_is_gone) {
  const private_directory directory;
  const auto copy = directory.path() + "/copy";
  fs::copy_file("/proc/self/exe", copy);
  const auto [ours, theirs] = socket_pair();
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, theirs, given);
  std::string name = copy;
  std::string child = "--child";
  std::string mode = "launch without file";
  char* const arguments[] = {name.data(), child.data(), mode.data(), nullptr};
  pid_t middle = -1;
  ASSERT_EQ(
    ::posix_spawn(&middle, copy.c_str(), &files, nullptr, arguments, environ),
    0);
  ::posix_spawn_file_actions_destroy(&files);
  ::close(theirs);

  int status = 0;
  ASSERT_EQ(::waitpid(middle, &status, 0), middle);
  EXPECT_EQ(WEXITSTATUS(status), 5);
  EXPECT_FALSE(fs::exists(copy));
  ::close(ours);
}

TEST(launcher, tells_why_a_child_cannot_start) {
  launcher starter;
  const auto executable = fs::read_symlink("/proc/self/exe").string();
  const auto no_handler_call = [](const process_exit&) { FAIL(); };
  // The kernel takes no single argument of more than 128 KiB.
  const words too_long{std::string(1u << 20, 'x')};

  EXPECT_THAT([&] { starter.start(too_long, {.given = {0}}, no_handler_call); },
              ThrowsMessage<puma::error>(AllOf(
                HasSubstr(executable), HasSubstr("Argument list too long"))));
  EXPECT_THAT([&] { starter.start({}, {.given = {-1}}, no_handler_call); },
              ThrowsMessage<puma::error>(
                AllOf(HasSubstr(executable), EndsWith("Bad file descriptor"))));
  // A number that is not open: the child finds out.
  EXPECT_THAT([&] { starter.start({}, {.given = {1'000}}, no_handler_call); },
              ThrowsMessage<puma::error>(EndsWith("Bad file descriptor")));
  EXPECT_FALSE(has_children());

  observed_child next{starter, {"exit", "3"}};
  EXPECT_EQ(next.describe_exit(), "exited with status 3");
}

TEST(launcher, makes_a_child_outlive_the_thread_that_asked_for_it) {
  launcher starter;
  std::unique_ptr<observed_child> x;
  const auto own_id = std::to_string(::getpid());
  std::thread{[&] {
    x = std::make_unique<observed_child>(starter,
                                         words{"stay", own_id, "echo"});
    EXPECT_EQ(read_line(x->socket()), "ready");
  }}.join();

  write_all(x->socket(), "still there\n");
  EXPECT_EQ(read_line(x->socket()), "still there");
  x->close();
  EXPECT_EQ(x->describe_exit(), "exited with status 0");
}

// -- the tests of prepare_worker_process --------------------------------------

TEST(worker_process, leaves_the_signals_of_the_terminal_to_its_parent) {
  // As puma::main does in all threads.
  sigset_t watched;
  sigset_t before;
  sigemptyset(&watched);
  sigaddset(&watched, SIGINT);
  sigaddset(&watched, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &watched, &before);
  launcher starter;
  observed_child x{starter, {"signals"}};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  EXPECT_EQ(read_line(x.socket()), "blocked: HUP INT");
  EXPECT_EQ(read_line(x.socket()), "blocked:");
  EXPECT_EQ(read_line(x.socket()), "ignored: HUP INT PIPE");
  EXPECT_EQ(read_line(x.socket()), "at the parent's death: KILL");
  EXPECT_EQ(read_line(x.socket()), "descriptor 3 is inherited: 0");
  EXPECT_EQ(read_line(x.socket()), "name: " + own_status("Name"));
  EXPECT_EQ(x.describe_exit(), "exited with status 0");
}

TEST(worker_process, ends_at_sigterm) {
  launcher starter;
  observed_child x{starter, {"stay", std::to_string(::getpid())}};
  EXPECT_EQ(read_line(x.socket()), "ready");

  starter.kill(x.pid(), SIGINT); // ignored
  starter.kill(x.pid(), SIGTERM);

  EXPECT_EQ(x.describe_exit(), "was killed by SIGTERM");
}

TEST(worker_process, knows_when_its_parent_is_gone_already) {
  launcher starter;
  observed_child x{starter, {"stay", std::to_string(::getppid())}};

  EXPECT_EQ(x.describe_exit(), "exited with status 7");
}

TEST(worker_process, dies_when_its_parent_is_killed) {
  launcher starter;
  observed_child middle{starter, {"middle"}};
  const auto child = static_cast<pid_t>(std::stoi(read_line(middle.socket())));
  ASSERT_TRUE(exists(child));

  starter.kill(middle.pid(), SIGKILL);

  EXPECT_TRUE(wait_until_gone(child));
  EXPECT_EQ(middle.describe_exit(), "was killed by SIGKILL");
}

// -- the tests of private_directory and the sockets ---------------------------

/// Sets a variable of the environment until it goes.
class scoped_variable {
 public:
  scoped_variable(const char* name, const std::string& value) : name_(name) {
    if (const auto* before = std::getenv(name))
      before_ = before;
    ::setenv(name, value.c_str(), 1);
  }

  scoped_variable(const scoped_variable&) = delete;
  scoped_variable& operator=(const scoped_variable&) = delete;

  ~scoped_variable() {
    if (before_)
      ::setenv(name_, before_->c_str(), 1);
    else
      ::unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// Directories to choose from, and none of the user's own.
class places : public testing::Test {
 protected:
  scoped_variable no_runtime{"XDG_RUNTIME_DIR", ""};
  scoped_variable no_temporary{"TMPDIR", ""};
  private_directory root;
  std::string runtime = make("runtime");
  std::string temporary = make("temporary");
  scoped_variable temporary_set{"TMPDIR", temporary};

  std::string make(const std::string& name) const {
    auto path = root.path() + "/" + name;
    fs::create_directory(path);
    return path;
  }

  /// Returns where a private directory is made.
  static std::string chosen(const std::string& runtime_directory) {
    const scoped_variable set{"XDG_RUNTIME_DIR", runtime_directory};
    return fs::path{private_directory{}.path()}.parent_path().string();
  }

  /// The name, or the path of a socket inside would not fit.
  static std::string too_long() { return std::string(80, 'x'); }
};

TEST(private_directory, is_for_its_user_alone_and_goes_with_all_inside) {
  std::string path;
  {
    const private_directory x;
    path = x.path();
    struct stat status {};
    ASSERT_EQ(::lstat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFDIR | S_IRWXU);
    EXPECT_EQ(status.st_uid, ::geteuid());
    EXPECT_THAT(fs::path{path}.filename().string(), StartsWith("puma-"));
    EXPECT_NE(private_directory{}.path(), path);
    ::close(listen_at(path + "/" + std::string(x.max_name, 's')));
    fs::create_directory(path + "/sub");
    std::ofstream{path + "/sub/file"} << "text";
  }
  EXPECT_FALSE(fs::exists(fs::symlink_status(path)));
}

TEST_F(places, are_taken_in_their_order) {
  EXPECT_EQ(chosen(runtime), runtime);
  EXPECT_EQ(chosen(""), temporary);
  EXPECT_EQ(chosen("."), temporary);
  EXPECT_EQ(chosen(runtime + "/missing"), temporary);
  std::ofstream{runtime + "/file"} << "text";
  EXPECT_EQ(chosen(runtime + "/file"), temporary);
}

TEST_F(places, of_another_user_are_not_taken) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "only root can give a directory away";
  ASSERT_EQ(::chown(runtime.c_str(), nobody, nobody), 0);
  EXPECT_EQ(chosen(runtime), temporary);
}

TEST_F(places, that_are_too_long_for_a_socket_are_not_taken) {
  const auto long_runtime = make(too_long());
  EXPECT_EQ(chosen(long_runtime), temporary);

  const scoped_variable set{"TMPDIR", long_runtime};
  EXPECT_EQ(chosen(long_runtime), "/tmp");
}

TEST_F(places, have_room_for_the_longest_name) {
  // One more character, and it is too long.
  const std::string longest = make(
    std::string(70 - root.path().size() - 1, 'x'));
  EXPECT_EQ(chosen(longest), longest);
  EXPECT_EQ(chosen(longest + "/"), temporary);

  const scoped_variable set{"XDG_RUNTIME_DIR", longest};
  const private_directory x;
  ::close(
    listen_at(x.path() + "/" + std::string(private_directory::max_name, 's')));
}

TEST_F(places, behind_a_symbolic_link_stay) {
  std::ofstream{temporary + "/file"} << "text";
  {
    const private_directory x;
    fs::create_directory_symlink(temporary, x.path() + "/link");
    fs::create_symlink(temporary + "/file", x.path() + "/link_to_file");
  }
  EXPECT_TRUE(fs::exists(temporary + "/file"));

  // Not even when the directory itself has been replaced.
  {
    const private_directory x;
    fs::remove(x.path());
    fs::create_directory_symlink(temporary, x.path());
  }
  EXPECT_TRUE(fs::exists(temporary + "/file"));
}

int accept_one(int listener) {
  return wait_readable(listener)
           ? ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)
           : -1;
}

/// A socket that listens in a directory of its own.
class listening : public testing::Test {
 protected:
  private_directory directory;
  std::string path = directory.path() + "/socket";
  int listener = listen_at(path);

  ~listening() override { ::close(listener); }

  [[nodiscard]] int connect() const {
    return connect_to(path, steady::now() + patience);
  }

  /// Returns the errno value that user `nobody` gets from a try to connect.
  [[nodiscard]] int connect_as_nobody() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    const auto child = ::fork();
    if (child == 0) {
      const int x = ::socket(AF_UNIX, SOCK_STREAM, 0);
      if (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0
          || ::setuid(nobody) != 0)
        ::_exit(255);
      const auto result = ::connect(
        x, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
      ::_exit(result == 0 ? 0 : errno);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  }
};

TEST_F(listening, takes_connections_that_carry_bytes) {
  const int client = connect();
  const int server = accept_one(listener);
  write_all(client, "hello\n");
  EXPECT_EQ(read_line(server), "hello");
  for (const int x : {listener, client}) {
    EXPECT_NE(::fcntl(x, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(x, F_GETFL) & O_NONBLOCK, 0);
  }
  ::close(client);
  ::close(server);
}

TEST_F(listening, is_for_its_user_alone) {
  struct stat status {};
  ASSERT_EQ(::lstat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFSOCK | S_IRUSR | S_IWUSR);
}

TEST_F(listening, is_out_of_reach_for_another_user) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "only root can become another user";
  EXPECT_EQ(connect_as_nobody(), EACCES);

  // The mode of the socket protects it, too.
  fs::permissions(directory.path(), fs::perms{0755});
  EXPECT_EQ(connect_as_nobody(), EACCES);
}

TEST_F(listening, recognizes_its_own_user) {
  const int client = connect();
  const int server = accept_one(listener);
  EXPECT_TRUE(same_user(client));
  EXPECT_TRUE(same_user(server));
  ::close(client);
  ::close(server);
}

TEST_F(listening, recognizes_another_user) {
  if (::geteuid() != 0)
    GTEST_SKIP() << "only root can become another user";
  fs::permissions(directory.path(), fs::perms{0755});
  fs::permissions(path, fs::perms{0666});
  ASSERT_EQ(connect_as_nobody(), 0);
  const int server = accept_one(listener);
  EXPECT_FALSE(same_user(server));
  ::close(server);
}

TEST_F(listening, lets_others_wait_while_it_has_too_many_connections) {
  std::vector<int> clients;
  const auto fill = [&] {
    for (;;)
      clients.push_back(connect_to(path, steady::now() + 20ms));
  };
  EXPECT_THAT(fill, ThrowsMessage<puma::timeout_error>(HasSubstr(path)));
  EXPECT_GE(clients.size(), 128u);

  auto late = std::async(std::launch::async, [&] { return connect(); });
  EXPECT_EQ(late.wait_for(20ms), std::future_status::timeout);
  clients.push_back(accept_one(listener));
  clients.push_back(late.get());
  for (const int x : clients)
    ::close(x);
}

TEST_F(listening, wants_a_path_that_is_free_and_not_too_long) {
  const auto missing = directory.path() + "/missing/socket";
  const auto too_long = directory.path() + "/" + std::string(108, 'x');

  EXPECT_THAT([&] { listen_at(path); },
              ThrowsMessage<puma::error>(
                AllOf(HasSubstr(path), HasSubstr("Address already in use"))));
  EXPECT_THAT([&] { listen_at(missing); },
              ThrowsMessage<puma::error>(AllOf(
                HasSubstr(missing), HasSubstr("No such file or directory"))));
  EXPECT_THAT([&] { listen_at(too_long); },
              ThrowsMessage<puma::error>(
                AllOf(HasSubstr(too_long), HasSubstr("File name too long"))));
  EXPECT_THAT([] { listen_at(""); }, Throws<puma::error>());
  EXPECT_THAT(
    [] {
      listen_at(std::string{"\0name", 5});
    },
    Throws<puma::error>());
}

TEST_F(listening, is_told_from_where_nobody_listens) {
  const auto missing = directory.path() + "/missing";
  const auto deadline = steady::now() + patience;
  EXPECT_EQ(connect_to(missing, deadline), -1);
  ::close(std::exchange(listener, -1));
  EXPECT_EQ(connect_to(path, deadline), -1);
  const auto no_directory = path + "/file";
  EXPECT_THAT([&] { connect_to(no_directory, deadline); },
              ThrowsMessage<puma::error>(
                AllOf(HasSubstr(no_directory), HasSubstr("Not a directory"))));
  EXPECT_LT(steady::now(), deadline);
  EXPECT_THAT([] { same_user(-1); }, Throws<puma::error>());
}

TEST(socket_pair, connects_its_ends_and_is_not_inherited) {
  const auto [one, other] = socket_pair();
  write_all(one, "hello\n");
  EXPECT_EQ(read_line(other), "hello");
  for (const int x : {one, other}) {
    EXPECT_NE(::fcntl(x, F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(x, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_TRUE(same_user(x));
  }
  ::close(one);
  EXPECT_THAT(read_some(other), IsEmpty());
  ::close(other);
}

} // namespace

int main(int argc, char** argv) {
  if (argc > 2 && std::string{argv[1]} == "--child")
    return run_child(words(argv + 2, argv + argc));
  // What others may not do must not depend on this.
  ::umask(0);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
