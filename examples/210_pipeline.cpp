// SPDX-License-Identifier: Apache-2.0
//
// One idea: a pipeline is written as a line, and checked before it starts.
// Run:      ./210_pipeline
// Expected: words: 10, longest: pipeline
//           pipeline: 2 problems
//           - 2 stages have the name 'again'
//           - buffer 'texts': several stages read from it ('again', 'again'), …

// [all]
#include <puma/puma.hpp>

#include <cctype>
#include <cstddef>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

// [stages]
std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in{line};
  std::vector<std::string> result;
  for (std::string word; in >> word;)
    result.push_back(std::move(word));
  return result;
}

/// Stages may also be classes.
class longest : public puma::single_buffer_servicing_runnable<std::string> {
 public:
  longest(std::string name, const puma::buffer<std::string>& in,
          const puma::buffer<std::string>& out)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)) {}

 protected:
  void on_value(std::string& word) override {
    ++count_;
    if (word.size() > longest_.size())
      longest_ = std::move(word);
  }

  void on_complete(const puma::failure* error) override {
    if (error)
      error->rethrow();
    out_.publish("words: " + std::to_string(count_) + ", longest: " + longest_);
  }

 private:
  puma::publisher<std::string> out_;
  std::size_t count_ = 0;
  std::string longest_;
};
// [stages]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto texts = env.make_buffer<std::string>("texts", 16);

    // [line]
    auto p = puma::pipeline(env) | puma::from(texts)
             | puma::flat_map("split", words_of)
             | puma::filter(
               "words",
               [](const std::string& x) {
                 return std::isalpha(static_cast<unsigned char>(x[0])) != 0;
               })
             | puma::edge({.capacity = 8}) // of the buffer at this place
             | puma::stage<longest>("longest")
             | puma::for_each(
               "print", [](const std::string& x) { std::cout << x << '\n'; });
    auto running = p.run();
    // [line]
    auto out = texts.open_publisher();
    out.publish("a pipeline is a line of stages");
    out.publish("with buffers between : 7");
    out.complete();
    running.join();

    // [misuse]
    // Types are checked by the compiler, all else before anything starts.
    const auto again = [] { return puma::for_each("again", [](auto&&) {}); };
    auto wrong = puma::pipeline(env)
                 | puma::lines(puma::from(texts) | again(),
                               puma::from(texts) | again());
    try {
      auto never = wrong.run();
    } catch (const puma::usage_error& error) {
      std::cout << error.what() << '\n';
    }
    // [misuse]
  });
}
// [all]
