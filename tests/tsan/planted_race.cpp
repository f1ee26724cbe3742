// SPDX-License-Identifier: Apache-2.0

// Hooks of two hosts increment one plain counter. ThreadSanitizer must report
// that; if it does not, what it says about the other tests here is worth
// nothing.

#include "tests/tsan/fake_host.hpp"

#include <cstdint>
#include <cstdio>

using namespace puma_test;
using number = std::uint64_t;

int main() {
  constexpr number count = 10'000;
  number counter = 0; // shared, and guarded by nothing
  const queue_ptr queues[]{make_queue<number>(16), make_queue<number>(16)};
  fake_host hosts[4];
  for (int i = 0; i != 2; ++i) {
    auto& source = hosts[i];
    auto& out = source.publish_to(queues[i]);
    source.generate([&out, left = count]() mutable {
      publish(out, left);
      return --left != 0;
    });
    hosts[2 + i].receive<number>(queues[i], [&counter](number&) { ++counter; });
  }

  for (auto& x : hosts)
    x.start();
  for (auto& x : hosts)
    x.join();

  std::printf("counted to %llu\n", static_cast<unsigned long long>(counter));
}
