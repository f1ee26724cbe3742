// SPDX-License-Identifier: Apache-2.0

// What grows with the number of nodes: starts as many on this host, lets values
// go from here to each and back, and prints a line for each number of nodes.
// Then how fast values go from one node to another, by themselves and, where
// they do not let each other in, by way of the owner.
//
//     node_bench [VALUES_PER_NODE] [NODES...]

#include "puma/actors/functions.hpp"
#include "puma/environments/main.hpp"
#include "puma/environments/node.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/environments/thread_environment.hpp"

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using steady = std::chrono::steady_clock;

double seconds_since(steady::time_point begin) {
  return std::chrono::duration<double>{steady::now() - begin}.count();
}

/// A node, which ends with this object.
class started_node {
 public:
  explicit started_node(const std::string& token_file = {}) {
    int ends[2];
    if (::pipe(ends) != 0)
      throw std::runtime_error{"no pipe"};
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addclose(&files, ends[0]);
    std::vector<std::string> words{"node_bench", "--puma-node",
                                   "tcp://127.0.0.1:0", "--puma-insecure",
                                   "--puma-log-level=error"};
    if (!token_file.empty())
      words.insert(words.end(), {"--puma-token-file", token_file});
    std::vector<char*> command_line;
    for (auto& x : words)
      command_line.push_back(x.data());
    command_line.push_back(nullptr);
    const int failed = ::posix_spawn(&pid_, "/proc/self/exe", &files, nullptr,
                                     command_line.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    ::close(ends[1]);
    if (failed != 0)
      throw std::runtime_error{"no process"};
    char x = 0;
    while (::read(ends[0], &x, 1) == 1 && x != '\n')
      address_ += x;
    ::close(ends[0]);
    address_.erase(0, address_.find("tcp://"));
  }

  started_node(const started_node&) = delete;
  started_node& operator=(const started_node&) = delete;

  ~started_node() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }

  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  pid_t pid_ = -1;
  std::string address_;
};

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> result;
  const auto where = "/proc/" + std::to_string(parent) + "/task";
  for (const auto& task : fs::directory_iterator{where}) {
    std::ifstream in{task.path() / "children"};
    for (pid_t x = 0; in >> x;)
      result.push_back(x);
  }
  return result;
}

/// The memory that a process and all below it have to themselves, in MiB.
double private_memory(pid_t of) {
  double result = 0;
  std::ifstream in{"/proc/" + std::to_string(of) + "/smaps_rollup"};
  for (std::string word; in >> word;)
    if (word == "Private_Dirty:" || word == "Private_Clean:") {
      double kib = 0;
      in >> kib;
      result += kib / 1024;
    }
  for (const auto x : children_of(of))
    result += private_memory(x);
  return result;
}

std::size_t count_in(const char* directory) {
  return static_cast<std::size_t>(
    std::distance(fs::directory_iterator{directory}, fs::directory_iterator{}));
}

void measure(std::size_t count, std::int64_t values) {
  std::vector<std::optional<started_node>> nodes(count);
  for (auto& x : nodes)
    x.emplace();
  puma::runtime rt;
  const puma::thread_environment here{rt};
  puma::node_options options;
  options.credentials.insecure = true;

  const auto begin = steady::now();
  std::vector<puma::node> remote;
  for (auto& x : nodes)
    remote.push_back(rt.connect(x->address(), options));
  const auto connected = seconds_since(begin);

  const auto back = here.make_buffer<std::int64_t>("back", 4'096);
  std::vector<puma::runner> stages;
  std::vector<puma::buffer<std::int64_t>> there;
  for (auto& x : remote) {
    there.push_back(x.make_buffer<std::int64_t>("there", 1'024));
    stages.push_back(x.run(puma::transform(
      "stage", there.back(), back, [](std::int64_t v) { return v + 1; })));
  }
  for (auto& x : stages)
    x.wait_until_running();
  const auto running = seconds_since(begin);

  const auto flowing = steady::now();
  for (auto& to : there)
    stages.push_back(here.run(
      puma::generate("source", to, [next = std::int64_t{0}, values]() mutable {
        return next != values ? std::optional{next++} : std::nullopt;
      })));
  const auto total = values * static_cast<std::int64_t>(count);
  auto in = back.subscribe();
  for (std::int64_t i = 0; i != total; ++i)
    if (!in.next())
      throw std::runtime_error{"values were lost"};
  const auto flowed = seconds_since(flowing);

  double memory = 0;
  for (auto& x : nodes)
    memory += private_memory(x->pid());
  std::printf("%5zu %11.1f %11.1f %12.2f %14.1f %14zu %18zu\n", count,
              1'000 * connected, 1'000 * running,
              static_cast<double>(total) / flowed / 1e6,
              memory / static_cast<double>(count), count_in("/proc/self/task"),
              count_in("/proc/self/fd"));
}

/// Values that go from one node to another, in millions per second.
double measure_between(bool by_owner, std::int64_t values) {
  const auto token_file = fs::temp_directory_path()
                          / ("node_bench." + std::to_string(::getpid()));
  std::ofstream{token_file} << "another token\n";
  const started_node first;
  const started_node second{by_owner ? token_file.string() : ""};
  fs::remove(token_file);
  puma::runtime rt;
  puma::node_options options;
  options.credentials.insecure = true;
  const auto one = rt.connect(first.address(), options);
  if (by_owner)
    options.credentials.token = "another token";
  const auto other = rt.connect(second.address(), options);
  const auto there = other.make_buffer<std::int64_t>("there", 1'024);
  const auto back = other.make_buffer<std::int64_t>("back", 1'024);
  auto stage = other.run(
    puma::filter("stage", there, back, [](const std::int64_t& x) {
      constexpr std::int64_t some = 1'000;
      return x % some == 0;
    }));
  stage.wait_until_running();
  auto in = back.subscribe();

  /// The next one, and how many there are.
  using state = std::pair<std::int64_t, std::int64_t>;
  auto source = one.run(puma::generate(
    "source", there, puma::with_state(state{0, values}, [](state& x) {
      return x.first != x.second ? std::optional{x.first++} : std::nullopt;
    })));
  static_cast<void>(in.next());
  const auto flowing = steady::now();
  while (in.next()) {
  }
  return static_cast<double>(values) / seconds_since(flowing) / 1e6;
}

} // namespace

int main(int argc, char** argv) {
  if (const auto code = puma::run_as_worker(argc, argv))
    return *code;
  try {
    const std::int64_t values = argc > 1 ? std::atoll(argv[1]) : 200'000;
    std::vector<std::size_t> counts;
    for (int i = 2; i < argc; ++i)
      counts.push_back(static_cast<std::size_t>(std::atoll(argv[i])));
    if (counts.empty())
      counts = {1, 2, 4, 8, 16};
    std::printf("%5s %11s %11s %12s %14s %14s %18s\n", "nodes", "connect ms",
                "running ms", "M values/s", "MiB per node", "owner threads",
                "owner descriptors");
    for (const auto x : counts)
      measure(x, values);
    constexpr std::int64_t more = 50; // times as many
    for (const bool by_owner : {false, true})
      std::printf("from node to node%s: %.2f M values/s\n",
                  by_owner ? ", by way of the owner" : "",
                  measure_between(by_owner, more * values));
    return 0;
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "node_bench: %s\n", failed.what());
    return 1;
  }
}
