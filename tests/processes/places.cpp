// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"

#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/thread_environment.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace puma_test {

namespace fs = std::filesystem;

namespace {

/// Makes the directory; removes it when the program ends.
struct root_directory {
  std::string path = "/tmp/puma-test-XXXXXX";
  pid_t owner = ::getpid();

  root_directory() {
    if (!::mkdtemp(path.data()))
      throw std::runtime_error{"no temporary directory"};
    ::setenv("XDG_RUNTIME_DIR", path.c_str(), 1);
  }

  ~root_directory() {
    std::error_code ignored;
    if (owner == ::getpid())
      fs::remove_all(path, ignored);
  }
};

std::unique_ptr<puma::environment>
make_environment(place where, puma::runtime& rt, const test_node* node) {
  switch (where) {
  case place::processes:
    return std::make_unique<puma::process_environment>(rt);
  case place::shared:
    return std::make_unique<puma::process_environment>(
      rt, puma::process_options{.workers = 2});
  case place::node:
    return std::make_unique<puma::node>(rt, node->address(),
                                        insecure_node("n"));
  case place::threads:
    break;
  }
  return std::make_unique<puma::thread_environment>(rt);
}

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0
         || errno != ECHILD;
}

} // namespace

bool eventually(const std::function<bool()>& holds,
                std::chrono::nanoseconds limit) {
  const auto deadline = steady::now() + limit;
  while (!holds()) {
    if (steady::now() > deadline)
      return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

void forbid_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

std::string runtime_root() {
  static const root_directory instance;
  return instance.path;
}

std::vector<std::string> runtime_directories() {
  std::vector<std::string> result;
  for (const auto& x : fs::directory_iterator{runtime_root()})
    result.push_back(x.path().string());
  return result;
}

runtime_test::runtime_test() {
  static_cast<void>(runtime_root());
  // As many on each machine, so that tests have the same chances.
  runtime_ = std::make_unique<puma::runtime>(
    puma::runtime_options{.threads = 2});
}

runtime_test::~runtime_test() {
  const auto before = steady::now();
  runtime_.reset();
  EXPECT_LT(steady::now() - before, 20s) << "the runtime took long to go";
  EXPECT_FALSE(has_children());
  EXPECT_TRUE(runtime_directories().empty());
  if (HasFailure())
    std::fprintf(stderr, "--- the log ---\n%s---\n", log.to_string().c_str());
}

std::vector<pid_t> runtime_test::workers() {
  return rt().core().processes().workers();
}

place_test::place_test()
  : node_(GetParam() == place::node ? std::make_unique<test_node>() : nullptr),
    environment_(make_environment(GetParam(), rt(), node_.get())) {}

place_test::~place_test() {
  environment_.reset();
  if (node_)
    destroy_runtime();
}

} // namespace puma_test
