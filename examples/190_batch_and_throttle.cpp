// SPDX-License-Identifier: Apache-2.0
//
// One idea: values go out in batches, and no faster than they may.
// Run:      ./190_batch_and_throttle
// Expected: a batch of 4, a batch of 4, a batch of 2
//           took at least 20 ms

// [all]
#include <puma/puma.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <vector>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto numbers = env.make_buffer<int>("numbers", 64);
    auto batches = env.make_buffer<std::vector<int>>("batches", 16);
    auto slowly = env.make_buffer<std::vector<int>>("slowly", 16);

    const auto begin = std::chrono::steady_clock::now();
    auto count = env.run(puma::generate("count", numbers, [n = 0]() mutable {
      return n == 10 ? std::nullopt : std::optional{++n};
    }));
    // [batch]
    // Four at a time, or what has come 50 ms after the first one.
    auto batch = env.run(
      puma::batch("batch", numbers, batches, {.count = 4, .time = 50ms}));
    // [batch]
    // [throttle]
    // 100 per second: one every 10 ms. The rest waits in `batches`.
    auto throttle = env.run(puma::throttle("throttle", batches, slowly,
                                           {.count = 100, .period = 1s}));
    // [throttle]

    const char* comma = "";
    for (auto& x : slowly.subscribe()) {
      std::cout << comma << "a batch of " << x.size();
      comma = ", ";
    }
    const auto took = std::chrono::steady_clock::now() - begin;
    std::cout << "\ntook "
              << (took >= 20ms ? "at least 20 ms" : "not long enough") << '\n';
  });
}
// [all]
