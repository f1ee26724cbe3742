// SPDX-License-Identifier: Apache-2.0
//
// One idea: a supervisor restarts what fails, and gives up with the causes.
// Run:      ./090_restarts
// Expected: handled 1
//           restarted, 1 time(s)
//           handled 3
//           restarted, 2 time(s)
//           handled 5
//           gave up on it:
//           ...: supervisor 'guard': gave up on runnable 'fragile' after 2
//           restarts: more than 2 failures within 10 s [...]
//             after: runnable 'fragile': on_value (value 6 of buffer 'in')
//           failed with std::runtime_error: does not like even numbers [...]

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <stdexcept>

// [runnable]
class fragile : public puma::single_buffer_servicing_runnable<int> {
 public:
  explicit fragile(const puma::buffer<int>& in)
    : single_buffer_servicing_runnable("fragile", in) {}

 protected:
  void on_start() override {
    if (starts_++ > 0)
      std::cout << "restarted, " << starts_ - 1 << " time(s)\n";
  }

  void on_value(int& x) override {
    if (x % 2 == 0)
      throw std::runtime_error{"does not like even numbers"};
    std::cout << "handled " << x << "\n";
  }

 private:
  // Each restart makes a new object: what is to last is kept elsewhere.
  inline static int starts_ = 0;
};
// [runnable]

// [run]
int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto in = env.make_buffer<int>("in", 16);
    auto guard = env.supervisor(
      "guard", {.then = puma::on_failure::restart, .max_restarts = 2});
    auto x = guard.run<fragile>(in);

    auto numbers = in.open_publisher();
    for (int i = 1; i <= 7; ++i)
      numbers.publish(i);
    numbers.complete();
    try {
      rt.join();
    } catch (const puma::restarts_exhausted&) {
      const auto why = puma::exit_record::of(*puma::current_failure());
      std::cout << "gave up on it:\n" << why.to_string() << "\n";
    }
  });
}
// [run]
// [all]
