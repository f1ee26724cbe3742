// SPDX-License-Identifier: Apache-2.0
//
// One idea: an executor calls functions elsewhere; a map is lazy, in order, and
// throws an error where the result would have been.
// Run:      ./230_executor
// Expected: async: 42
//           map: 1 4 9 16 25
//           20 is too much after 18 19

#include <puma/puma.hpp>

#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

int checked(int x) {
  if (x == 20)
    throw std::range_error{"20 is too much"};
  return x;
}

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    puma::executor exec{"exec", env, {.workers = 4}};

    // [async]
    auto sum = exec.async([](int x, int y) { return x + y; }, 40, 2);
    std::cout << "async: " << sum.get() << '\n'; // or its exception
    // [async]

    // [map]
    std::cout << "map:";
    for (const int y :
         exec.map(std::vector{1, 2, 3, 4, 5}, [](int x) { return x * x; }))
      std::cout << ' ' << y;
    std::cout << '\n';
    // [map]

    // [lazy]
    std::string seen;
    try {
      // Numbers without end: at most 8 of them are under way.
      for (const int y : exec.map<&checked>(std::views::iota(18), 8))
        seen += " " + std::to_string(y);
    } catch (const std::range_error& error) {
      std::cout << error.what() << " after" << seen << '\n';
    }
    // [lazy]
  });
}
