// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/nodes.hpp"

#include "tests/processes/places.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puma_test {

namespace fs = std::filesystem;

namespace {

constexpr int start_milliseconds = 30'000;

/// Reads a line from a pipe, with a limit on the time.
std::string read_line(int from) {
  std::string result;
  char x = 0;
  for (;;) {
    pollfd watched{from, POLLIN, 0};
    if (::poll(&watched, 1, start_milliseconds) != 1
        || ::read(from, &x, 1) != 1)
      return result;
    if (x == '\n')
      return result;
    result += x;
  }
}

void add_family(pid_t parent, std::vector<pid_t>& to) {
  to.push_back(parent);
  for (const auto x : children_of(parent))
    add_family(x, to);
}

} // namespace

scratch_directory::scratch_directory() : path_("/tmp/puma-node-XXXXXX") {
  if (!::mkdtemp(path_.data()))
    throw std::runtime_error{"no temporary directory"};
}

scratch_directory::~scratch_directory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string scratch_directory::write(const std::string& name,
                                     std::string_view text) const {
  auto result = path_ + "/" + name;
  std::ofstream{result} << text;
  return result;
}

test_node::test_node(node_setup setup) : setup_(std::move(setup)) {
  start();
}

test_node::~test_node() {
  kill();
}

void test_node::start() {
  const auto where = setup_.scheme + "://" + setup_.host + ":"
                     + std::to_string(port_);
  std::vector<std::string> words{"node", "--puma-node", where};
  words.insert(words.end(), setup_.arguments.begin(), setup_.arguments.end());
  std::vector<char*> command_line;
  for (auto& x : words)
    command_line.push_back(x.data());
  command_line.push_back(nullptr);
  std::vector<std::string> variables;
  for (char** x = environ; *x != nullptr; ++x)
    if (!std::string_view{*x}.starts_with("XDG_RUNTIME_DIR="))
      variables.emplace_back(*x);
  variables.push_back("XDG_RUNTIME_DIR=" + directory_.path());
  std::vector<char*> environment;
  for (auto& x : variables)
    environment.push_back(x.data());
  environment.push_back(nullptr);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::runtime_error{"no pipe"};
  const auto log_path = directory_.path() + "/log";
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, log_path.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  const int failed = ::posix_spawn(&pid_, setup_.executable.c_str(), &files,
                                   nullptr, command_line.data(),
                                   environment.data());
  ::posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  const auto line = failed == 0 ? read_line(ends[0]) : std::string{};
  ::close(ends[0]);
  const auto colon = line.rfind(':');
  if (!line.starts_with("puma node ready: ") || colon == std::string::npos
      || std::from_chars(line.data() + colon + 1, line.data() + line.size(),
                         port_)
             .ec
           != std::errc{}) {
    const auto text = log();
    kill();
    throw std::runtime_error{"the node did not start: " + line + text};
  }
}

std::string test_node::address() const {
  return setup_.scheme + "://" + setup_.host + ":" + std::to_string(port_);
}

std::vector<pid_t> test_node::sessions() const {
  return children_of(pid_);
}

void test_node::signal_all(int signal) const {
  std::vector<pid_t> all;
  if (pid_ > 0)
    add_family(pid_, all);
  for (const auto x : all)
    ::kill(x, signal);
}

void test_node::kill() {
  if (pid_ <= 0)
    return;
  signal_all(SIGKILL);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

std::string test_node::log() const {
  std::ifstream in{directory_.path() + "/log"};
  return {std::istreambuf_iterator<char>{in}, {}};
}

bool test_node::has_logged(std::string_view text) const {
  return eventually([&] { return log().find(text) != std::string::npos; });
}

puma::node_options insecure_node(std::string name) {
  puma::node_options result;
  result.name = std::move(name);
  result.credentials.insecure = true;
  return result;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> result;
  std::error_code failed;
  const auto tasks = "/proc/" + std::to_string(parent) + "/task";
  for (const auto& x : fs::directory_iterator{tasks, failed}) {
    std::ifstream in{x.path().string() + "/children"};
    for (pid_t child = 0; in >> child;)
      result.push_back(child);
  }
  return result;
}

} // namespace puma_test
