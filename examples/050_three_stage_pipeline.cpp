// SPDX-License-Identifier: Apache-2.0
//
// One idea: runnables and buffers make a pipeline; one line says where it runs.
// Run:      ./050_three_stage_pipeline
// Expected: sum of the squares of 1 to 1000: 333833500

// [all]
#include <puma/puma.hpp>

#include <cstdint>
#include <iostream>
#include <optional>

class squarer : public puma::single_buffer_servicing_runnable<int> {
 public:
  squarer(const puma::buffer<int>& in, const puma::buffer<std::int64_t>& out)
    : single_buffer_servicing_runnable("squarer", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override { out_.publish(std::int64_t{x} * x); }

 private:
  puma::publisher<std::int64_t> out_;
};

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto numbers = env.make_buffer<int>("numbers", 64);
    auto squares = env.make_buffer<std::int64_t>("squares", 64);
    auto sum = env.make_value<std::int64_t>("sum");

    auto counter = env.run(puma::generate(
      "counter", numbers, [x = 0]() mutable -> std::optional<int> {
        if (x == 1000)
          return std::nullopt; // ends the stream
        return ++x;
      }));
    auto square = env.run<squarer>(numbers, squares);
    auto add = env.run(puma::for_each(
      "add", squares, [sum](std::int64_t x) mutable { sum.add(x); }));

    rt.join(); // until all three have ended
    std::cout << "sum of the squares of 1 to 1000: " << sum.get() << '\n';
  });
}
// [all]
