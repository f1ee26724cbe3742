// SPDX-License-Identifier: Apache-2.0
//
// One idea: a buffer belongs to neither end; values wait in it, in order.
// Run:      ./020_buffer_publish_subscribe
// Expected: first subscription: a
//           second subscription: b c d
//           the end

#include <puma/puma.hpp>

#include <iostream>
#include <string>
#include <thread>

int main() {
  // [publish]
  puma::buffer<std::string> letters{"letters", 8};
  {
    auto out = letters.open_publisher();
    for (const auto* letter : {"a", "b", "c"})
      out.publish(letter);
  } // closes the publisher, not the stream: another one may go on
  // [publish]

  // [subscribe]
  auto first = letters.subscribe();
  if (auto letter = first.next())
    std::cout << "first subscription: " << *letter << '\n';
  first.unsubscribe(); // what it has not taken stays in the buffer
  // [subscribe]

  // [range]
  std::jthread writer{[&letters] {
    auto out = letters.open_publisher();
    out.publish("d");
    out.complete();
  }};

  auto second = letters.subscribe();
  std::cout << "second subscription:";
  for (auto& letter : second) // waits for each, until the stream has ended
    std::cout << ' ' << letter;
  std::cout << "\nthe end\n";
  // [range]
}
