// SPDX-License-Identifier: Apache-2.0
//
// One idea: a value that cannot be handled is tried again, then put aside.
// Run:      ./100_dead_letters
// Expected: sum of the others: 8
//           dead after 3 attempts: "2b" (std::invalid_argument: not a number)

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

// [runnable]
class parser : public puma::single_buffer_servicing_runnable<std::string> {
 public:
  parser(const puma::buffer<std::string>& in, const puma::buffer<int>& out)
    : single_buffer_servicing_runnable("parser", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(std::string& x) override {
    if (x.find_first_not_of("0123456789") != std::string::npos)
      throw std::invalid_argument{"not a number"};
    out_.publish(std::stoi(x));
  }

 private:
  puma::publisher<int> out_;
};
// [runnable]

// [run]
int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto texts = env.make_buffer<std::string>("texts", 16);
    auto numbers = env.make_buffer<int>("numbers", 16);
    auto dead = env.make_buffer<puma::dead_letter<std::string>>("dead", 16);
    auto guard = env.supervisor("guard", {.then = puma::on_failure::restart});
    auto parse = guard.with(puma::value_policy::dead_letters(dead, 2))
                   .run<parser>(texts, numbers);

    auto out = texts.open_publisher();
    for (const auto* x : {"1", "2b", "3", "4"})
      out.publish(x);
    out.complete();

    int sum = 0;
    for (int x : numbers.subscribe())
      sum += x;
    std::cout << "sum of the others: " << sum << "\n";
    for (auto& x : dead.subscribe())
      std::cout << "dead after " << x.attempts << " attempts: \"" << x.value
                << "\" (" << x.error.type << ": " << x.error.text << ")\n";
  });
}
// [run]
// [all]
