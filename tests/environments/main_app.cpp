// SPDX-License-Identifier: Apache-2.0
//
// The program that main_test.py runs: `main_app SCENARIO [ARGUMENT...]`.

#include "puma/puma.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace {

/// Tells the test that signals may come now.
void say_ready() {
  std::cout << "ready" << std::endl;
}

int print_args(puma::runtime& rt) {
  for (auto& x : rt.args())
    std::cout << '[' << x << "]\n";
  return 0;
}

int print_threads(puma::runtime& rt) {
  std::cout << rt.threads() << '\n';
  return 0;
}

int return_seven(puma::runtime&) {
  return 7;
}

int throw_error(puma::runtime&) {
  throw std::domain_error{"the body failed"};
}

int throw_number(puma::runtime&) {
  throw 17;
}

/// Runs a runnable that fails.
class failing : public puma::command_driven_runnable {
 public:
  failing() : command_driven_runnable("failing") {}

 protected:
  void on_start() override { throw std::domain_error{"nobody took it"}; }
};

int leave_error(puma::runtime& rt) {
  auto x = puma::thread_environment{rt}.run<failing>();
  x.join();
  return 0;
}

int join_error(puma::runtime& rt) {
  auto x = puma::thread_environment{rt}.run<failing>();
  rt.join();
  return 0;
}

int catch_error(puma::runtime& rt) {
  auto x = puma::thread_environment{rt}.run<failing>();
  try {
    rt.join();
  } catch (const std::domain_error&) {
    std::cout << "caught\n";
  }
  return 0;
}

/// An endless source, a stage and a sink. Prints how many values were made and
/// how many arrived.
int run_pipeline(puma::runtime& rt) {
  puma::thread_environment env{rt};
  auto numbers = env.make_buffer<std::int64_t>("numbers", 64);
  auto squares = env.make_buffer<std::int64_t>("squares", 64);
  std::int64_t made = 0;
  std::int64_t arrived = 0;
  {
    auto source = env.run(
      puma::generate("source", numbers, [&] { return std::optional{++made}; }));
    auto middle = env.run(puma::transform(
      "middle", numbers, squares, [](std::int64_t x) { return x * x; }));
    auto sink = env.run(puma::for_each("sink", squares, [&](std::int64_t) {
      if (++arrived == 1000)
        say_ready();
    }));
    rt.join();
  }
  std::cout << "made " << made << " arrived " << arrived << '\n';
  return 0;
}

/// Publishes from the main thread until that is told to stop.
int publish_from_main(puma::runtime& rt) {
  puma::thread_environment env{rt};
  auto numbers = env.make_buffer<int>("numbers", 64);
  int arrived = 0;
  int accepted = 0;
  {
    auto sink = env.run(puma::for_each("sink", numbers, [&](int) {
      if (++arrived == 1000)
        say_ready();
    }));
    auto out = numbers.open_publisher();
    while (out.publish(1) == puma::publish_result::accepted)
      ++accepted;
    rt.join();
  }
  std::cout << "made " << accepted << " arrived " << arrived << '\n';
  return 0;
}

/// Values that nobody consumes: it cannot drain, but it can stop.
int clog(puma::runtime& rt) {
  puma::thread_environment env{rt};
  auto numbers = env.make_buffer<int>("numbers", 8);
  auto unread = env.make_buffer<int>("unread", 8,
                                     {.warn_about_leftovers = false});
  auto source = env.run(
    puma::generate("source", numbers, [] { return std::optional{1}; }));
  auto middle = env.run(
    puma::transform("middle", numbers, unread, [](int x) { return x; }));
  while (unread.stats().waiting < 8)
    std::this_thread::yield();
  say_ready();
  rt.join();
  return 0;
}

/// Hangs in a hook, and cannot be stopped.
int hang(puma::runtime& rt) {
  puma::thread_environment env{rt};
  auto numbers = env.make_buffer<int>("numbers", 8);
  auto stuck = env.run(puma::dedicated,
                       puma::for_each("stuck", numbers, [](int) {
                         say_ready();
                         for (;;)
                           std::this_thread::sleep_for(std::chrono::hours{1});
                       }));
  numbers.open_publisher().publish(1);
  rt.join();
  return 0;
}

/// Returns while a runnable hangs, as `argument` says.
int return_from_hang(puma::runtime& rt) {
  puma::thread_environment env{rt};
  auto numbers = env.make_buffer<int>("numbers", 8);
  auto entered = env.make_event("entered");
  auto stuck = env.run(puma::dedicated,
                       puma::for_each("stuck", numbers, [=](int) mutable {
                         entered.set();
                         for (;;)
                           std::this_thread::sleep_for(std::chrono::hours{1});
                       }));
  numbers.open_publisher().publish(1);
  entered.wait();
  say_ready();
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<int(puma::runtime&)>> scenarios{
    {"args", print_args},
    {"threads", print_threads},
    {"seven", return_seven},
    {"throw", throw_error},
    {"throw_number", throw_number},
    {"leave_error", leave_error},
    {"join_error", join_error},
    {"catch_error", catch_error},
    {"pipeline", run_pipeline},
    {"publish", publish_from_main},
    {"clog", clog},
    {"hang", hang},
    {"return_from_hang", return_from_hang},
  };
  return puma::main(argc, argv, [&](puma::runtime& rt) {
    const std::string name = rt.args().size() > 1 ? rt.args()[1] : "args";
    return scenarios.at(name)(rt);
  });
}
