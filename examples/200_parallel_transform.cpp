// SPDX-License-Identifier: Apache-2.0
//
// One idea: several runnables compute at a time, and the order stays.
// Run:      ./200_parallel_transform
// Expected: 2 3 5 7 11 13 17 19 23 29 31 37 41 43 47
//           computed in 4 processes
//           failed after 4: not a number

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <set>
#include <stdexcept>
#include <utility>

#include <unistd.h>

struct candidate {
  int number = 0;
  bool is_prime = false;
  int process = 0; // where that was found out
};

candidate check(candidate x) {
  if (x.number < 0)
    throw std::invalid_argument{"not a number"};
  x.is_prime = x.number > 1;
  for (int i = 2; i * i <= x.number; ++i)
    x.is_prime = x.is_prime && x.number % i != 0;
  x.process = ::getpid();
  return x;
}

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt};
    auto numbers = env.make_buffer<candidate>("numbers", 16);
    auto checked = env.make_buffer<candidate>("checked", 16);

    // [run]
    auto checking = env.run(puma::parallel_transform(
      "check", numbers, checked, 4, [](candidate x) { return check(x); }));
    // [run]
    auto out = numbers.open_publisher();
    auto results = checked.subscribe();
    std::set<int> processes;
    const char* separator = "";
    for (int i = 0; i != 50; ++i) {
      out.publish(candidate{i, false, 0});
      const auto result = results.next();
      processes.insert(result->process);
      if (result->is_prime)
        std::cout << std::exchange(separator, " ") << result->number;
    }
    std::cout << "\ncomputed in " << processes.size() << " processes\n";

    // An error comes behind the results of what was before it.
    for (const int i : {1, 2, 3, 4, -1, 5, 6})
      out.publish(candidate{i, false, 0});
    int last = 0;
    try {
      while (auto result = results.next())
        last = result->number;
    } catch (const std::invalid_argument& error) {
      std::cout << "failed after " << last << ": " << error.what() << '\n';
    }
    checking.join(); // all of it has ended
  });
}
// [all]
