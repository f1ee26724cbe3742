// SPDX-License-Identifier: Apache-2.0
//
// One idea: a full buffer holds its publisher back and leaves it the value.
// Run:      ./030_backpressure
// Expected: accepted 4, full at "e"
//           10 ms later: full
//           with room again: accepted
//           waiting: b c d e
//           latest of 5: 5, dropped 4

#include <puma/puma.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

using namespace std::chrono_literals;

namespace {

void fill_and_make_room() {
  // [try]
  puma::buffer<std::string> letters{"letters", 4};
  auto out = letters.open_publisher();

  int accepted = 0;
  std::string letter = "a";
  const auto offer = [&] { return out.try_publish(std::move(letter)); };
  while (offer() == puma::publish_result::accepted)
    letter = static_cast<char>('a' + ++accepted);
  std::cout << "accepted " << accepted << ", full at \"" << letter << "\"\n";
  // [try]

  // [for]
  auto status = out.publish_for(letter, 10ms);
  std::cout << "10 ms later: " << to_string(status) << '\n';
  // [for]

  auto in = letters.subscribe();
  static_cast<void>(in.next());
  status = out.publish(std::move(letter));
  std::cout << "with room again: " << to_string(status) << '\n';

  out.complete();
  std::cout << "waiting:";
  for (auto& x : in)
    std::cout << ' ' << x;
  std::cout << '\n';
}

void keep_the_latest() {
  // [policy]
  puma::buffer<int> position{
    "position", 1, {.overflow = puma::overflow::latest}};
  auto out = position.open_publisher();
  for (int x = 1; x <= 5; ++x)
    out.publish(x); // never waits; what nobody took in time is dropped
  // [policy]

  if (auto newest = position.subscribe().next())
    std::cout << "latest of 5: " << *newest << ", dropped "
              << position.stats().dropped_oldest << '\n';
}

} // namespace

int main() {
  fill_and_make_room();
  keep_the_latest();
}
