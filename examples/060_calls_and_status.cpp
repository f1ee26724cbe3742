// SPDX-License-Identifier: Apache-2.0
//
// One idea: an owner calls methods of a runnable, and reads its status.
// Run:      ./060_calls_and_status
// Expected: factor was 1
//           3 6 9
//           status: 3 values
//           refused: a factor must not be 0

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <stdexcept>
#include <utility>

struct progress {
  int values = 0;
};

// [runnable]
class multiplier : public puma::single_buffer_servicing_runnable<int> {
 public:
  multiplier(const puma::buffer<int>& in, const puma::buffer<int>& out)
    : single_buffer_servicing_runnable("multiplier", in),
      out_(publish_to(out)) {}

  // Public methods can be called from outside. They run between two values.
  int set_factor(int x) {
    if (x == 0)
      throw std::invalid_argument{"a factor must not be 0"};
    return std::exchange(factor_, x);
  }

 protected:
  void on_value(int& x) override {
    out_.publish(x * factor_);
    publish_status(progress{++count_});
  }

 private:
  puma::publisher<int> out_;
  int factor_ = 1;
  int count_ = 0;
};
// [runnable]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt}; // or process_environment
    auto numbers = env.make_buffer<int>("numbers", 8);
    auto products = env.make_buffer<int>("products", 8);
    auto multiply = env.run<multiplier>(numbers, products);

    // [call]
    std::cout << "factor was " << multiply.call<&multiplier::set_factor>(3)
              << '\n';
    // [call]

    auto in = products.subscribe();
    auto out = numbers.open_publisher();
    for (int i = 1; i <= 3; ++i) {
      out.publish(i);
      std::cout << *in.next() << (i == 3 ? '\n' : ' ');
    }

    // [status]
    // The latest one of its type; there may have been others before.
    for (int seen = 0; seen != 3;)
      if (const auto status = multiply.wait_for_status<progress>(
            std::chrono::seconds{10}))
        seen = status->values;
    std::cout << "status: 3 values\n";
    // [status]

    try {
      multiply.call<&multiplier::set_factor>(0);
    } catch (const std::invalid_argument& error) {
      std::cout << "refused: " << error.what() << '\n';
    }
    out.complete();
    rt.join();
  });
}
// [all]
