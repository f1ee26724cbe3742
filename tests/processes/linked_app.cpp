// SPDX-License-Identifier: Apache-2.0
//
// Linked with options that drop what nothing refers to: what puma registers
// before main has to stay. Returns 0 if all is well.

#include "puma/puma.hpp"

#include <iostream>
#include <optional>

namespace {

class adder : public puma::single_buffer_servicing_runnable<int> {
 public:
  adder(const puma::buffer<int>& in, const puma::buffer<long>& out)
    : single_buffer_servicing_runnable("adder", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override { sum_ += x; }

  void on_complete(const puma::failure* error) override {
    if (error)
      error->rethrow();
    out_.publish(sum_);
  }

 private:
  puma::publisher<long> out_;
  long sum_ = 0;
};

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt};
    auto a = env.make_buffer<int>("a", 16);
    auto b = env.make_buffer<int>("b", 16);
    auto sums = env.make_buffer<long>("sums", 2);
    auto x = env.run(puma::generate(
      "source", a, puma::with_state(0, [](int& i) -> std::optional<int> {
        return i < 1000 ? std::optional{++i} : std::nullopt;
      })));
    auto y = env.run(
      puma::transform("doubler", a, b, [](int i) { return 2 * i; }));
    auto z = env.run<adder>(b, sums);
    long found = 0;
    for (const auto sum : sums.subscribe())
      found += sum;
    rt.join();
    std::cout << "sum " << found << '\n';
    return found == 1'001'000 ? 0 : 1;
  });
}
