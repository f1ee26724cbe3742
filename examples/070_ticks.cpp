// SPDX-License-Identifier: Apache-2.0
//
// One idea: a runnable ticks on a schedule that does not drift.
// Run:      ./070_ticks
// Expected: tick at 0 ms
//           tick at 10 ms
//           tick at 20 ms

// [all]
#include <puma/puma.hpp>

#include <chrono>
#include <iostream>
#include <optional>

using namespace std::chrono_literals;

// [runnable]
class clock_hand : public puma::command_driven_runnable {
 public:
  clock_hand() : command_driven_runnable("clock_hand") {
    set_tick_interval(10ms, puma::late_ticks::catch_up);
    resume_ticks();
  }

 protected:
  // `when` is the time at which the tick was due, however late it comes.
  void on_tick(std::chrono::steady_clock::time_point when) override {
    if (!first_)
      first_ = when;
    std::cout << "tick at " << (when - *first_) / 1ms << " ms\n";
    if (when == *first_ + 20ms)
      stop();
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> first_;
};
// [runnable]

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    puma::thread_environment env{rt};
    auto hand = env.run<clock_hand>();
    hand.join();
  });
}
// [all]
