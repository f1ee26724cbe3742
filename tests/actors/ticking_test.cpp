// SPDX-License-Identifier: Apache-2.0

#include "puma/puma.hpp"
#include "puma/testing/virtual_runtime.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using puma::late_ticks;
using steady = std::chrono::steady_clock;

namespace {

using times = std::vector<std::chrono::nanoseconds>;

/// Notes when its ticks were due, and does at them what a test wants.
class clockwork : public puma::command_driven_runnable {
 public:
  using action = std::function<void(clockwork&)>;

  clockwork(std::shared_ptr<times> due, const action& first, action at_tick)
    : command_driven_runnable("clockwork"),
      due_(std::move(due)),
      at_tick_(std::move(at_tick)) {
    if (first)
      first(*this);
  }

  void end() { stop(); }

 protected:
  void on_tick(steady::time_point when) override {
    due_->push_back(when.time_since_epoch());
    if (at_tick_)
      at_tick_(*this);
  }

 private:
  std::shared_ptr<times> due_;
  action at_tick_;
};

/// Ticks while it gets values, each of which makes it act.
class ticking_consumer final
  : public puma::single_buffer_servicing_runnable<std::function<void()>> {
 public:
  ticking_consumer(const puma::buffer<std::function<void()>>& in,
                   std::shared_ptr<int> ticks)
    : single_buffer_servicing_runnable("consumer", in),
      ticks_(std::move(ticks)) {
    set_tick_interval(10ms);
    resume_ticks();
  }

 protected:
  void on_value(std::function<void()>& x) override { x(); }

  void on_tick(steady::time_point) override { ++*ticks_; }

 private:
  std::shared_ptr<int> ticks_;
};

class ticking : public testing::Test {
 protected:
  auto start(clockwork::action first, clockwork::action at_tick = nullptr) {
    auto runner = virt.env().run<clockwork>(
      puma::dedicated, due, std::move(first), std::move(at_tick));
    virt.settle();
    return runner;
  }

  /// Starts one that ticks every 10 ms; it may sleep in `at_tick`.
  auto start_ticking(clockwork::action at_tick = nullptr,
                     late_ticks late = late_ticks::skip) {
    return start(
      [late](clockwork& self) {
        self.set_tick_interval(10ms, late);
        self.resume_ticks();
      },
      std::move(at_tick));
  }

  /// The times at which ticks were due, since the first one.
  times noted() const {
    auto result = *due;
    for (auto& x : result)
      x -= due->front();
    return result;
  }

  std::size_t count() const { return due->size(); }

  puma::testing::virtual_runtime virt;
  std::shared_ptr<times> due = std::make_shared<times>();
};

TEST_F(ticking, begins_one_interval_after_it_is_resumed) {
  const auto runner = start_ticking();
  virt.advance(9ms);
  EXPECT_EQ(count(), 0u);
  virt.advance(1ms);
  EXPECT_EQ(count(), 1u);
  virt.advance(100ms);
  EXPECT_EQ(count(), 11u);
}

TEST_F(ticking, does_not_drift) {
  const auto runner = start_ticking([](clockwork&) { puma::sleep_for(3ms); });
  virt.advance(45ms);
  EXPECT_EQ(noted(), (times{0ms, 10ms, 20ms, 30ms}));
}

TEST_F(ticking, pauses_and_resumes_with_a_whole_interval) {
  int n = 0;
  const auto runner = start_ticking([&](clockwork& self) {
    if (++n == 2) {
      self.pause_ticks();
      puma::sleep_for(25ms);
      self.resume_ticks();
      self.resume_ticks(); // harmless
    }
  });
  virt.advance(60ms);
  EXPECT_EQ(noted(), (times{0ms, 10ms, 45ms}));
}

TEST_F(ticking, stays_paused) {
  const auto runner = start_ticking(
    [](clockwork& self) { self.pause_ticks(); });
  virt.advance(1s);
  EXPECT_EQ(count(), 1u);
}

TEST_F(ticking, counts_a_new_interval_from_the_last_tick) {
  int n = 0;
  const auto runner = start_ticking([&](clockwork& self) {
    if (++n == 2) {
      puma::sleep_for(5ms);
      self.set_tick_interval(30ms);
    }
  });
  virt.advance(80ms);
  EXPECT_EQ(noted(), (times{0ms, 10ms, 40ms, 70ms}));
}

/// Sleeps for 25 ms, the first time.
clockwork::action late_once() {
  return [n = 0](clockwork&) mutable {
    if (++n == 1)
      puma::sleep_for(25ms);
  };
}

TEST_F(ticking, skips_ticks_that_are_late_by_an_interval) {
  const auto runner = start_ticking(late_once(), late_ticks::skip);
  virt.advance(50ms);
  EXPECT_EQ(noted(), (times{0ms, 30ms, 40ms}));
}

TEST_F(ticking, makes_one_of_several_late_ticks) {
  const auto runner = start_ticking(late_once(), late_ticks::coalesce);
  virt.advance(50ms);
  EXPECT_EQ(noted(), (times{0ms, 20ms, 30ms, 40ms}));
}

TEST_F(ticking, catches_up_with_late_ticks) {
  const auto runner = start_ticking(late_once(), late_ticks::catch_up);
  virt.advance(50ms);
  EXPECT_EQ(noted(), (times{0ms, 10ms, 20ms, 30ms, 40ms}));
}

TEST_F(ticking, tells_how_many_ticks_did_not_come) {
  std::uint64_t missed = 0;
  auto sleep = late_once();
  const auto runner = start_ticking(
    [&, sleep](clockwork& self) mutable {
      missed = self.missed_ticks();
      sleep(self);
    },
    late_ticks::skip);
  virt.advance(50ms);
  EXPECT_EQ(missed, 2u);
}

TEST_F(ticking, needs_an_interval) {
  auto runner = start([](clockwork& self) { self.resume_ticks(); });
  EXPECT_THROW(runner.check_for_exceptions(), puma::usage_error);
}

TEST_F(ticking, needs_a_positive_interval) {
  auto zero = start([](clockwork& self) { self.set_tick_interval(0ms); });
  EXPECT_THROW(zero.check_for_exceptions(), puma::usage_error);
  auto less = start([](clockwork& self) { self.set_tick_interval(-1ns); });
  EXPECT_THROW(less.check_for_exceptions(), puma::usage_error);
}

TEST_F(ticking, with_an_endless_interval_never_comes) {
  const auto runner = start([](clockwork& self) {
    self.set_tick_interval(std::chrono::nanoseconds::max());
    self.resume_ticks();
  });
  virt.advance(24h);
  EXPECT_EQ(count(), 0u);
}

TEST_F(ticking, ends_when_it_is_stopped) {
  auto runner = start_ticking([](clockwork& self) { self.end(); });
  virt.advance(100ms);
  runner.join();
  EXPECT_EQ(count(), 1u);
}

TEST_F(ticking, ends_when_its_owner_stops_it) {
  auto runner = start_ticking();
  virt.advance(10ms);
  runner.stop();
  runner.join();
  virt.advance(100ms);
  EXPECT_EQ(count(), 1u);
}

TEST_F(ticking, passes_errors_on_to_the_owner) {
  auto runner = start_ticking(
    [](clockwork&) { throw std::out_of_range{"too late"}; });
  virt.advance(10ms);
  EXPECT_THROW(runner.check_for_exceptions(), std::out_of_range);
}

TEST_F(ticking, stops_when_the_program_drains) {
  const auto runner = start_ticking();
  virt.advance(10ms);
  static_cast<void>(virt.rt().drain(0ms));
  virt.advance(100ms);
  EXPECT_EQ(count(), 1u);
}

TEST_F(ticking, is_refused_outside_of_hooks) {
  clockwork* outside = nullptr;
  const auto runner = start([&](clockwork& self) { outside = &self; });
  EXPECT_THROW(outside->set_tick_interval(1ms), puma::usage_error);
  EXPECT_THROW(outside->resume_ticks(), puma::usage_error);
  EXPECT_THROW(outside->pause_ticks(), puma::usage_error);
}

TEST_F(ticking, does_not_wait_behind_values) {
  const auto env = virt.env();
  auto in = env.make_buffer<std::function<void()>>("in", 100);
  const auto ticks = std::make_shared<int>(0);
  std::vector<int> seen;
  auto out = in.open_publisher();
  for (int i = 0; i != 4; ++i)
    out.publish([&, ticks] {
      seen.push_back(*ticks);
      puma::sleep_for(10ms);
    });
  out.complete();
  auto runner = env.run<ticking_consumer>(puma::dedicated, in, ticks);
  virt.advance(100ms);
  runner.join();
  EXPECT_EQ(seen, (std::vector{0, 1, 2, 3}));
}

} // namespace
