// SPDX-License-Identifier: Apache-2.0
//
// One idea: a multicaster copies a stream to outputs that come and go.
// Run:      ./170_multicast
// Expected: stored: 1 2 3 4
//           shown: 3 4
//           sampled: 3, dropped 1

// [all]
#include <puma/puma.hpp>

#include <chrono>
#include <iostream>
#include <vector>

using cast = puma::multicaster<int>;

/// Prints the values that are still to come.
void print(const char* what, const puma::buffer<int>& values) {
  std::cout << what << ':';
  for (const int x : values.subscribe())
    std::cout << ' ' << x;
}

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto numbers = env.make_buffer<int>("numbers", 8);
    auto stored = env.make_buffer<int>("stored", 8);
    auto shown = env.make_buffer<int>("shown", 8);
    auto sampled = env.make_buffer<int>("sampled", 1);

    auto runner = env.run<cast>("cast", numbers, std::vector{stored});
    auto out = numbers.open_publisher();
    out.publish(1);
    out.publish(2);
    while (stored.stats().accepted != 2)
      puma::sleep_for(std::chrono::milliseconds{1});

    // Others join while values flow; one of them may miss some.
    // [add]
    runner.call<&cast::add_output>(shown, puma::when_full::block);
    runner.call<&cast::add_output>(sampled, puma::when_full::drop_newest);
    // [add]
    out.publish(3);
    out.publish(4);
    out.complete();
    runner.join();

    print("stored", stored);
    print("\nshown", shown);
    print("\nsampled", sampled);
    std::cout << ", dropped " << sampled.stats().dropped_newest << '\n';
  });
}
// [all]
