// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/command_driven_runnable.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <cstddef>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

/// Publishes 1, 2 and so on at its ticks, and ends after the last of them.
class counting_ticker final : public puma::command_driven_runnable {
 public:
  counting_ticker(const int_buffer& out, steady::duration interval, int last)
    : command_driven_runnable("ticker"),
      out_(publish_to(out)),
      interval_(interval),
      last_(last) {
    set_tick_interval(interval, puma::late_ticks::catch_up);
    resume_ticks();
  }

 protected:
  void on_tick(steady::time_point due) override {
    if (count_ != 0) {
      EXPECT_EQ(due - before_, interval_);
    }
    before_ = due;
    out_.publish(++count_);
    if (count_ == last_)
      stop();
  }

 private:
  puma::publisher<int> out_;
  steady::duration interval_;
  int last_;
  int count_ = 0;
  steady::time_point before_{};
};

class ticks : public environment_test {
 protected:
  int_buffer out = env().make_buffer<int>("out", 8);
  int_buffer in = env().make_buffer<int>("in", 8);
};

INSTANTIATE_TEST_SUITE_P(, ticks, any_hosting, with_hosting);

TEST_P(ticks, come_one_interval_after_the_other) {
  auto x = run<counting_ticker>(out, 1ms, 20);

  EXPECT_EQ(rest_of(out), numbers_to(20));
}

TEST_P(ticks, of_many_runnables_all_come) {
  constexpr int many = 100;
  std::vector<puma::runner> runners;
  auto hold = out.open_publisher(); // else the first ones could end the stream
  for (int i = 0; i != many; ++i)
    runners.push_back(run<counting_ticker>(out, 2ms, 5));
  hold.close();

  EXPECT_EQ(rest_of(out).size(), std::size_t{many} * 5);
}

TEST_P(ticks, end_with_a_runnable_that_is_stopped_between_two_of_them) {
  auto x = run<counting_ticker>(out, 10min, 1);
  x.wait_until_running();

  x.stop();
  x.join();

  EXPECT_EQ(out.stats().accepted, 0u);
}

} // namespace
