// SPDX-License-Identifier: Apache-2.0

#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"
#include "tests/support/threads.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

using steady = std::chrono::steady_clock;

class scheduling : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer to_a = env().make_buffer<int>("to a", 8);
  int_buffer to_b = env().make_buffer<int>("to b", 8);
  std::atomic<bool> computes = false;
  std::atomic<bool> begun = false; // by whoever must not have to wait

  /// Keeps its scheduler thread busy until somebody has begun elsewhere.
  void compute() {
    computes = true;
    const auto until = steady::now() + 30s;
    while (!begun && steady::now() < until) {
    }
    if (!begun)
      late_ = true;
    ++rounds_;
  }

  /// Does something three times that makes one compute and another begin.
  /// Returns whether that began in time.
  bool repeat(const std::function<void(int)>& what) {
    for (int i = 0; i != 3; ++i) {
      computes = begun = false;
      what(i);
      EXPECT_TRUE(eventually([&] { return begun.load(); }));
      EXPECT_TRUE(eventually([&] { return rounds_.load() == i + 1; }));
    }
    return !late_;
  }

 private:
  std::atomic<bool> late_ = false;
  std::atomic<int> rounds_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, scheduling, no_hosting, without_hosting);

TEST_P(scheduling, starts_what_got_a_value_from_a_hook_that_goes_on) {
  auto a = env().run<stage>("a", in, std::vector{to_b},
                            script{.on_value = [&](stage& self, int& x) {
                              self.outs.publish(x);
                              self.outs[0].flush();
                              compute();
                            }});
  auto b = env().run(puma::for_each("b", to_b, [&](int) { begun = true; }));
  b.wait_until_running();
  auto out = in.open_publisher();

  EXPECT_TRUE(repeat([&](int i) { out.publish(i); }));
}

TEST_P(scheduling, starts_what_was_queued_behind_a_long_hook) {
  // Both get their value in one hook, so that both wait for one thread.
  auto both = env().run<stage>("both", in, std::vector{to_a, to_b});
  std::atomic<bool> second = false;
  const auto work = [&](int) {
    // Whoever comes first computes; the other one must not wait for it.
    if (second.exchange(!second))
      begun = true;
    else
      compute();
  };
  auto a = env().run(puma::for_each("a", to_a, work));
  auto b = env().run(puma::for_each("b", to_b, work));
  a.wait_until_running();
  b.wait_until_running();
  auto out = in.open_publisher();

  EXPECT_TRUE(repeat([&](int i) { out.publish(i); }));
}

TEST_P(scheduling, starts_what_a_plain_thread_published_to) {
  auto busy = env().run(puma::for_each("busy", to_a, [&](int) { compute(); }));
  auto b = env().run(puma::for_each("b", in, [&](int) { begun = true; }));
  b.wait_until_running();
  auto out = to_a.open_publisher();
  auto to = in.open_publisher();

  EXPECT_TRUE(repeat([&](int i) {
    out.publish(i);
    EXPECT_TRUE(eventually([&] { return computes.load(); }));
    to.publish(i);
  }));
}

TEST_P(scheduling, gives_everyone_a_turn_beside_busy_sources) {
  std::vector<puma::runner> busy;
  for (int i = 0; i != 100; ++i) {
    auto dropping = env().make_buffer<int>(
      "dropping", 1, {.overflow = puma::overflow::latest});
    busy.push_back(env().run<counting_source>("busy", std::vector{dropping}));
  }
  for (auto& x : busy)
    x.wait_until_running();
  auto relay = env().run<stage>("relay", in, std::vector{to_a});
  auto out = in.open_publisher();
  auto end = to_a.subscribe();

  for (int i = 0; i != 10; ++i) {
    out.publish(i);
    auto x = end.next_for(30s);
    ASSERT_TRUE(x) << "round " << i;
    EXPECT_EQ(*x, i);
  }
}

TEST_P(scheduling, gives_each_busy_source_its_share) {
  std::vector<puma::runner> busy;
  std::vector<int_buffer> buffers;
  for (int i = 0; i != 20; ++i) {
    buffers.push_back(env().make_buffer<int>(
      "dropping", 1, {.overflow = puma::overflow::latest}));
    busy.push_back(
      env().run<counting_source>("busy", std::vector{buffers.back()}));
  }

  const auto all_had_turns = eventually([&] {
    return std::all_of(buffers.begin(), buffers.end(),
                       [](auto& x) { return x.stats().accepted > 10'000; });
  });

  EXPECT_TRUE(all_had_turns);
}

TEST_P(scheduling, uses_no_processor_time_while_all_are_idle) {
  constexpr std::size_t many = 1000;
  std::vector<puma::runner> idle;
  for (std::size_t i = 0; i != many; ++i)
    idle.push_back(env().run<stage>(
      "idle", env().make_buffer<int>("b" + std::to_string(i), 8)));
  for (auto& x : idle)
    x.wait_until_running();

  const auto begin = steady::now();
  const auto used = process_cpu_time();
  std::this_thread::sleep_for(1s); // the time that is measured
  const auto idle_time = steady::now() - begin;
  const auto share = process_cpu_time() - used;

  EXPECT_LT(share * 100, 3 * idle_time);
}

} // namespace
