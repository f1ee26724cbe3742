// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/alarm_clock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <list>
#include <random>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using puma::internal::alarm_clock;
using puma::internal::no_deadline;
using steady = std::chrono::steady_clock;

namespace {

/// Counts how often it is woken. Arming it is not firing it.
class counting_party final : public puma::internal::waker {
 public:
  bool arm(puma::internal::wake::bits what) noexcept override {
    bits |= what;
    return !armed_.exchange(true);
  }

  void fire(puma::internal::urgency) noexcept override {
    armed_ = false;
    ++fired;
    fired.notify_all();
  }

  void wait_for(int count) {
    for (int seen = fired; seen < count; seen = fired)
      fired.wait(seen);
  }

  std::atomic<puma::internal::wake::bits> bits = 0;
  std::atomic<int> fired = 0;

 private:
  std::atomic<bool> armed_ = false;
};

constexpr auto tick = puma::internal::wake::tick;

TEST(an_alarm_clock, wakes_when_it_is_time) {
  alarm_clock clock;
  counting_party party;
  alarm_clock::alarm alarm{party, tick};
  const auto when = steady::now() + 5ms;

  clock.set(alarm, when);
  party.wait_for(1);

  EXPECT_GE(steady::now(), when);
  EXPECT_EQ(party.bits, tick);
}

TEST(an_alarm_clock, wakes_the_earlier_one_first) {
  alarm_clock clock;
  counting_party late;
  counting_party early;
  alarm_clock::alarm late_alarm{late, tick};
  alarm_clock::alarm early_alarm{early, tick};

  clock.set(late_alarm, no_deadline);
  clock.set(early_alarm, steady::now() + 1ms);
  early.wait_for(1);

  EXPECT_EQ(late.fired, 0);
  clock.cancel(late_alarm);
}

TEST(an_alarm_clock, forgets_what_was_set_before) {
  alarm_clock clock;
  counting_party party;
  alarm_clock::alarm alarm{party, tick};

  clock.set(alarm, no_deadline);
  clock.set(alarm, steady::now());
  party.wait_for(1);
  clock.set(alarm, no_deadline);
  clock.cancel(alarm);

  EXPECT_EQ(party.fired, 1);
}

TEST(an_alarm_clock, does_not_wake_after_a_cancellation) {
  alarm_clock clock;
  for (int i = 0; i != 500; ++i) {
    counting_party party;
    alarm_clock::alarm alarm{party, tick};
    clock.set(alarm, steady::now() + std::chrono::microseconds{i % 50});
    std::this_thread::yield();
    clock.cancel(alarm);
    // Armed under the clock's lock, it may still be about to be fired.
    const bool was_armed = party.bits != 0;
    while (was_armed && party.fired == 0)
      std::this_thread::yield();
    EXPECT_EQ(party.fired, was_armed ? 1 : 0);
  }
}

TEST(an_alarm_clock, serves_many_threads) {
  constexpr int alarms_each = 200;
  alarm_clock clock;
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed != 3; ++seed)
    threads.emplace_back([&clock, seed] {
      std::minstd_rand random{seed + 1};
      std::list<counting_party> parties;
      std::list<alarm_clock::alarm> alarms;
      for (int i = 0; i != alarms_each; ++i) {
        auto& party = parties.emplace_back();
        auto& alarm = alarms.emplace_back(party, tick);
        clock.set(alarm,
                  steady::now() + std::chrono::microseconds{random() % 3'000});
      }
      for (auto& x : parties)
        x.wait_for(1);
      for (auto& x : alarms)
        clock.cancel(x);
    });
  for (auto& x : threads)
    x.join();
}

} // namespace
