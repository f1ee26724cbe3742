// SPDX-License-Identifier: Apache-2.0

// A supervisor below another one: when the inner one has spent its restarts,
// the outer one begins anew with it. The faults are injected, as in a test.

#include "puma/puma.hpp"
#include "puma/testing/fault_script.hpp"

#include <chrono>
#include <iostream>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto parts = env.make_buffer<int>("parts", 16);

    // [faults]
    puma::testing::fault_script faults{rt};
    faults.fail({.runnable = "drill", .at = 1, .instance = 1}, "worn out")
      .fail({.runnable = "drill", .at = 1, .instance = 2}, "broken");
    // [faults]

    // [nested]
    auto plant = env.supervisor(
      "plant", {.then = puma::on_failure::restart, .first_backoff = 0s});
    auto line = plant.supervisor("line", {.then = puma::on_failure::restart,
                                          .max_restarts = 1,
                                          .first_backoff = 0s});
    auto drill = line.run(puma::for_each(
      "drill", parts, [](int n) { std::cout << "handled " << n << "\n"; }));
    // [nested]

    auto in = parts.open_publisher();
    for (int i = 1; i <= 5; ++i)
      in.publish(i);
    in.complete();
    rt.join();
    // [shutdown]
    const auto report = rt.shutdown({.drain = 5s, .stop = 1s});
    std::cout << report.to_string();
    // [shutdown]
  });
}
