// SPDX-License-Identifier: Apache-2.0
//
// One idea: members of a runnable say where they live, and an object made here
//           is handed over to a process of its own.
// Run:      ./240_scoped_attributes
// Expected: handled 3 of 5: apple, pear, plum
//           the parent has no lines
//           limit here 4, there 3

// [all]
#include <puma/puma.hpp>

#include <iostream>
#include <string>
#include <vector>

// [class]
class collector : public puma::single_buffer_servicing_runnable<std::string> {
 public:
  collector() : single_buffer_servicing_runnable("collector") {}

  // What the child gets of the object that is handed over.
  auto attributes() {
    return puma::attribute_list(in, limit, handled, last, lines);
  }

  puma::copied<puma::buffer<std::string>> in{"in"}; // each has its own
  puma::copied<int> limit{"limit", 5};
  puma::shared<int> handled{"handled"};      // one for both
  puma::shared<std::string> last{"last"};    // one for both
  puma::child_only<std::vector<std::string>> // the parent has none
    lines{"lines", [] { return std::vector<std::string>{}; }};

  int limit_there() const { return *limit; }

 protected:
  void on_start() override { add_input(*in, *this); }

  void on_value(std::string& x) override {
    if (++handled > *limit)
      return;
    lines->push_back(x);
    last.update(
      [&](std::string& text) { text += (text.empty() ? "" : ", ") + x; });
  }

  void on_complete(const puma::failure* error) override {
    if (error)
      error->rethrow();
  }
};
// [class]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt};
    auto fruit = env.make_buffer<std::string>("fruit", 8);

    // [hand_over]
    auto object = std::make_shared<collector>();
    object->in.set(fruit);
    object->limit.set(3);
    auto child = env.run(object); // another `collector`, in another process
    object->limit.set(4);         // too late for that one
    // [hand_over]
    const int limit_there = child.call<&collector::limit_there>();

    auto out = fruit.open_publisher();
    for (const auto* x : {"apple", "pear", "plum", "fig", "date"})
      out.publish(x);
    out.complete();
    rt.join();

    std::cout << "handled " << limit_there << " of " << object->handled.get()
              << ": " << object->last.get() << "\n";
    try {
      std::cout << object->lines->size() << " lines\n";
    } catch (const puma::scope_error&) {
      std::cout << "the parent has no lines\n";
    }
    std::cout << "limit here " << *object->limit << ", there " << limit_there
              << "\n";
  });
}
// [all]
