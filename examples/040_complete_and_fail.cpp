// SPDX-License-Identifier: Apache-2.0
//
// One idea: a stream ends once, completed or failed, after all of its values.
// Run:      ./040_complete_and_fail
// Expected: 1 2 3, completed
//           1 2, failed: not a number: x
//           it came from parser, on_value

#include <puma/puma.hpp>

#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

// [throw]
int parse(const std::string& text) {
  if (text.find_first_not_of("0123456789") != std::string::npos)
    throw std::invalid_argument{"not a number: " + text};
  return std::stoi(text);
}
// [throw]

void run(puma::runtime& rt, const std::vector<std::string>& words) {
  puma::thread_environment env{rt};
  auto texts = env.make_buffer<std::string>("texts", 8);
  auto numbers = env.make_buffer<int>("numbers", 8);
  auto in = numbers.subscribe();
  auto parser = env.run(puma::transform("parser", texts, numbers, parse));

  auto out = texts.open_publisher();
  for (const auto& word : words)
    out.publish(word);
  out.complete();

  // [catch]
  const char* separator = "";
  try {
    for (const int x : in)
      std::cout << std::exchange(separator, " ") << x;
    std::cout << ", completed\n";
  } catch (const std::invalid_argument& error) {
    std::cout << ", failed: " << error.what() << '\n';
    if (auto origin = puma::current_failure())
      std::cout << "it came from " << origin->runnable() << ", "
                << origin->activity() << '\n';
  }
  // [catch]
}

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    run(rt, {"1", "2", "3"});
    run(rt, {"1", "2", "x"});
  });
}
