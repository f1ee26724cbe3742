// SPDX-License-Identifier: Apache-2.0
//
// One idea: processes share a number, an event and a condition like threads do.
// Run:      ./250_shared_values
// Expected: hits 3000
//           in turn: 123

// [all]
#include <puma/puma.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

// [tools]
struct tools { // handles cross on their own, in aggregates and in values
  puma::event go;
  puma::shared_value<std::int64_t> hits;
  puma::shared_value<int> turn;
  puma::shared_value<int> order;
  puma::condition turns; // guards the turn and the order
};

class player : public puma::command_driven_runnable {
 public:
  player(int number, tools with)
    : command_driven_runnable("player " + std::to_string(number)),
      number_(number),
      with_(std::move(with)) {}

 protected:
  void on_start() override {
    with_.go.wait(); // calls and stops get through meanwhile
    for (int i = 0; i != 1'000; ++i)
      ++with_.hits;
    with_.turns.wait([this] { return with_.turn.get() == number_; });
    with_.turns.change([this] {
      with_.order.set(with_.order.get() * 10 + number_);
      ++with_.turn;
    });
    stop();
  }

 private:
  int number_;
  tools with_;
};
// [tools]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::process_environment env{rt}; // the same with thread_environment
    // [make]
    tools with{env.make_event("go"), env.make_value<std::int64_t>("hits"),
               env.make_value<int>("turn", 1), env.make_value<int>("order"),
               env.make_condition("turns")};
    // [make]
    std::vector<puma::runner> players;
    for (int number : {3, 2, 1})
      players.push_back(env.run<player>(puma::dedicated, number, with));

    with.go.set();
    with.turns.wait([&] { return with.turn.get() == 4; });
    std::cout << "hits " << with.hits.get() << "\nin turn: " << with.order.get()
              << "\n";
    rt.join();
  });
}
// [all]
