// SPDX-License-Identifier: Apache-2.0
//
// The program that app_test.py runs: `app SCENARIO`. Prints `worker PID` for
// each worker, `ready`, and `total COUNT` at the end.

#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/puma.hpp"

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <thread>

#include <unistd.h>

namespace {

/// Checks that 1, 2, 3, … arrive. Reports each thousandth, and how many there
/// were.
class checking : public puma::single_buffer_servicing_runnable<int> {
 public:
  checking(std::string name, const puma::buffer<int>& in,
           const puma::buffer<int>& to)
    : single_buffer_servicing_runnable(std::move(name), in),
      to_(publish_to(to, {.when_full = puma::when_full::drop_newest})),
      last_to_(publish_to(to)) {}

 protected:
  void on_value(int& x) override {
    if (x != ++count_)
      throw std::logic_error{"a value is missing before " + std::to_string(x)};
    if (count_ % 1000 == 0)
      to_.publish(count_);
  }

  void on_complete(const puma::failure* error) override {
    if (error)
      error->rethrow();
    last_to_.publish(-count_);
  }

 private:
  puma::publisher<int> to_;
  puma::publisher<int> last_to_;
  int count_ = 0;
};

int run_pipeline(puma::runtime& rt) {
  puma::process_environment env{rt};
  auto a = env.make_buffer<int>("a", 64);
  auto b = env.make_buffer<int>("b", 64);
  auto reports = env.make_buffer<int>("reports", 64);
  auto source = env.run(puma::generate(
    "source", a,
    puma::with_state(0, [](int& x) { return std::optional{++x}; })));
  auto stage = env.run(puma::transform("stage", a, b, [](int x) { return x; }));
  auto end = env.run<checking>(std::string{"end"}, b, reports);
  for (auto* x : {&source, &stage, &end})
    x->wait_until_running();
  for (const auto x : rt.core().processes().workers())
    std::cout << "worker " << x << '\n';
  int number = 0;
  for (const auto x : reports.subscribe()) {
    if (number++ == 0)
      std::cout << "ready" << std::endl;
    if (x < 0)
      std::cout << "total " << -x << std::endl;
    else
      std::cout << "progress " << x << '\n';
  }
  rt.join();
  return 0;
}

/// Lives until it is stopped.
class idler : public puma::command_driven_runnable {
 public:
  explicit idler(std::string name) : command_driven_runnable(std::move(name)) {}
};

/// Workers that nothing is going on in.
int run_idle(puma::runtime& rt, bool hang) {
  puma::process_environment env{rt};
  auto x = env.run<idler>(std::string{"x"});
  auto y = env.run<idler>(std::string{"y"});
  x.wait_until_running();
  y.wait_until_running();
  for (const auto pid : rt.core().processes().workers())
    std::cout << "worker " << pid << '\n';
  std::cout << "ready" << std::endl;
  if (hang)
    std::this_thread::sleep_for(std::chrono::hours{1});
  rt.join();
  return 0;
}

/// Ends without a word, as a library would that calls exit.
int run_exit(puma::runtime& rt) {
  puma::process_environment env{rt};
  auto x = env.run<idler>(std::string{"x"});
  x.wait_until_running();
  for (const auto pid : rt.core().processes().workers())
    std::cout << "worker " << pid << '\n';
  std::cout << "ready" << std::endl;
  ::_exit(0);
}

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    const std::string what = rt.args().size() > 1 ? rt.args()[1] : "pipeline";
    if (what == "idle")
      return run_idle(rt, true);
    if (what == "exit")
      return run_exit(rt);
    return run_pipeline(rt);
  });
}
