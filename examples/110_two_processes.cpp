// SPDX-License-Identifier: Apache-2.0
//
// One idea: another environment moves runnables into processes of their own.
// Run:      ./110_two_processes
// Expected: sum of the squares of 1 to 1000: 333833500
//           computed in 3 processes

// [all]
#include <puma/puma.hpp>

#include <cstdint>
#include <iostream>
#include <optional>
#include <set>

#include <unistd.h>

struct square {
  std::int64_t value = 0;
  int process = 0; // where it was computed
};

struct total {
  std::int64_t sum = 0;
  std::set<int> processes;
};

class adder : public puma::single_buffer_servicing_runnable<square> {
 public:
  adder(const puma::buffer<square>& in, const puma::buffer<total>& out)
    : single_buffer_servicing_runnable("adder", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(square& x) override {
    result_.sum += x.value;
    result_.processes.insert(x.process);
  }

  void on_complete(const puma::failure* error) override {
    if (error)
      error->rethrow();
    result_.processes.insert(::getpid());
    out_.publish(result_);
  }

 private:
  puma::publisher<total> out_;
  total result_;
};

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    // [environment]
    puma::process_environment env{rt}; // instead of thread_environment
    // [environment]
    auto squares = env.make_buffer<square>("squares", 64);
    auto totals = env.make_buffer<total>("totals", 1);

    // [state]
    // What a function remembers crosses as a value, not as a capture.
    auto count = env.run(puma::generate(
      "counter", squares,
      puma::with_state(std::int64_t{0},
                       [](std::int64_t& x) -> std::optional<square> {
                         if (x == 1000)
                           return std::nullopt; // ends the stream
                         ++x;
                         return square{x * x, ::getpid()};
                       })));
    // [state]
    auto add = env.run<adder>(squares, totals);

    for (auto& result : totals.subscribe()) {
      result.processes.insert(::getpid());
      std::cout << "sum of the squares of 1 to 1000: " << result.sum
                << "\ncomputed in " << result.processes.size()
                << " processes\n";
    }
    rt.join();
  });
}
// [all]
