// SPDX-License-Identifier: Apache-2.0
//
// One idea: a runnable is a class whose hooks are called for each value.
// Run:      ./010_hello_runnable
// Expected: hello world
//           hello puma

#include <puma/puma.hpp>

#include <iostream>
#include <string>

namespace {

// [runnable]
class greeter : public puma::single_buffer_servicing_runnable<std::string> {
 public:
  explicit greeter(const puma::buffer<std::string>& names)
    : single_buffer_servicing_runnable("greeter", names) {}

 protected:
  void on_value(std::string& name) override {
    std::cout << "hello " << name << '\n';
  }
};
// [runnable]

} // namespace

// [main]
int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto names = env.make_buffer<std::string>("names", 16);
    auto greeting = env.run<greeter>(names);

    auto out = names.open_publisher();
    out.publish("world");
    out.publish("puma");
    out.complete();

    rt.join(); // until the greeter has handled both and has ended
  });
}
// [main]
