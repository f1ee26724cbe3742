// SPDX-License-Identifier: Apache-2.0
//
// One idea: an actor of one's own works in the middle of a pipeline.
// Run:      ./130_with_caf_actors
// Expected: sum of 1 to 1000, times 2: 1001000

// [all]
#include <puma/caf.hpp>
#include <puma/puma.hpp>

#include <caf/stateful_actor.hpp>

#include <chrono>
#include <iostream>
#include <optional>

using factor_atom = caf::atom_constant<caf::atom("factor")>;

// [runnable]
/// Answers messages of actors.
class settings : public puma::command_driven_runnable {
 public:
  settings() : command_driven_runnable("settings") {
    puma::answer_messages(*this, {[this](factor_atom) { return factor_; }});
  }

 private:
  int factor_ = 2;
};
// [runnable]

// [actor]
struct scaling_state {
  puma::actor_subscription<int> in;
  puma::actor_publisher<int> out;
  int factor = 0;
};

using scaling_actor = caf::stateful_actor<scaling_state>;

void flow(scaling_actor* self) {
  auto& [in, out, factor] = self->state;
  const auto status = in.take([&, &to = out, by = factor](int& x) {
    // Without room it stays the next one, and a room message comes.
    return to.try_publish(x * by) != puma::publish_result::full;
  });
  if (status == puma::receive_status::completed)
    out.complete();
  else if (status == puma::receive_status::failed)
    out.fail(in.error());
  else
    return;
  self->quit();
}

caf::behavior scaling(scaling_actor* self, caf::actor settings,
                      puma::buffer<int> from, puma::buffer<int> to) {
  self->state.out = {self, to};
  self->request(settings, std::chrono::seconds{10}, factor_atom::value)
    .then([self, from](int factor) {
      self->state.factor = factor;
      self->state.in = {self, from}; // from now on ready messages come
    });
  return {[self](const puma::ready&) { flow(self); },
          [self](const puma::room&) { flow(self); }};
}
// [actor]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto numbers = env.make_buffer<int>("numbers", 16);
    auto products = env.make_buffer<int>("products", 16);

    // [spawn]
    auto set = env.run<settings>();
    rt.actor_system().spawn(scaling, set.actor(), numbers, products);
    // [spawn]
    auto count = env.run(puma::generate(
      "counter", numbers, [n = 0]() mutable -> std::optional<int> {
        if (n == 1000)
          return std::nullopt; // ends the stream
        return ++n;
      }));

    int sum = 0;
    for (const auto& x : products.subscribe())
      sum += x;
    std::cout << "sum of 1 to 1000, times 2: " << sum << '\n';
    rt.join();
  });
}
// [all]
