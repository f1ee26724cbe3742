// SPDX-License-Identifier: Apache-2.0
//
// One idea: a process that dies is an error like any other, and others go on.
// Run:      ./120_a_process_dies
// Expected: fragile: 1 2
//           process_lost: … killed by signal 9 …
//           steady: 1 2 3, completed

#include <puma/puma.hpp>

#include <csignal>
#include <iostream>
#include <string>

namespace {

// [runnable]
/// Passes numbers on. Its process dies of some of them.
class echo : public puma::single_buffer_servicing_runnable<int> {
 public:
  echo(const puma::buffer<int>& in, const puma::buffer<int>& out, int deadly)
    : single_buffer_servicing_runnable("echo", in),
      out_(publish_to(out)),
      deadly_(deadly) {}

 protected:
  void on_value(int& x) override {
    if (x == deadly_)
      std::raise(SIGKILL);
    out_.publish(x);
  }

 private:
  puma::publisher<int> out_;
  int deadly_;
};
// [runnable]

/// Sends 1, 2 and 3 through an `echo` in a process of its own.
void run(const puma::environment& env, const std::string& name, int deadly) {
  auto numbers = env.make_buffer<int>("numbers", 8);
  auto echoed = env.make_buffer<int>("echoed", 8);
  auto runner = env.run<echo>(numbers, echoed, deadly);
  auto out = numbers.open_publisher();
  auto in = echoed.subscribe();

  std::cout << name << ':';
  // [catch]
  try {
    for (const int x : {1, 2, 3}) {
      out.publish(x);
      if (auto back = in.next()) // throws what ended the stream
        std::cout << ' ' << *back;
    }
    out.complete();
    if (!in.next())
      std::cout << ", completed\n";
  } catch (const puma::process_lost& error) {
    std::cout << "\nprocess_lost: " << error.what() << '\n';
  }
  // [catch]
  runner.join();
}

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt};
    run(env, "fragile", 3);
    run(env, "steady", 0);
    rt.join(); // nothing is left, and no error either
  });
}
