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
using time_point = steady::time_point;

/// How long a hook keeps its scheduler thread busy.
constexpr auto long_hook = 200ms;

/// Far less than that, far more than a loaded machine needs to begin.
constexpr auto soon = 30ms;

void compute_for(std::chrono::nanoseconds time) {
  const auto until = steady::now() + time;
  while (steady::now() < until) {
  }
}

class scheduling : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer to_a = env().make_buffer<int>("to a", 8);
  int_buffer to_b = env().make_buffer<int>("to b", 8);
  std::atomic<time_point> published{time_point{}};
  std::atomic<time_point> begun{time_point{}};

  /// Returns the shortest of three times from `published` to `begun`, each of
  /// them after a new value at `in`. Others may take the processor for a while,
  /// but not each time.
  std::chrono::nanoseconds shortest_delay() {
    auto out = in.open_publisher();
    auto result = std::chrono::nanoseconds::max();
    for (int i = 0; i != 3; ++i) {
      begun = time_point{};
      out.publish(i);
      EXPECT_TRUE(eventually([&] { return begun.load() != time_point{}; }));
      result = std::min<std::chrono::nanoseconds>(result, begun.load()
                                                            - published.load());
      // Let the long hook end before the next round.
      EXPECT_TRUE(eventually([&] { return idle_.load() == i + 1; }));
    }
    return result;
  }

  std::atomic<int> idle_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, scheduling, no_hosting, without_hosting);

TEST_P(scheduling, starts_what_got_a_value_from_a_hook_that_goes_on) {
  auto a = env().run<stage>("a", in, std::vector{to_b},
                            script{.on_value = [&](stage& self, int& x) {
                              self.outs.publish(x);
                              published = steady::now();
                              self.outs[0].flush();
                              compute_for(long_hook);
                              ++idle_;
                            }});
  auto b = env().run(
    puma::for_each("b", to_b, [&](int) { begun = steady::now(); }));
  b.wait_until_running();

  EXPECT_LT(shortest_delay(), soon);
}

TEST_P(scheduling, starts_what_was_queued_behind_a_long_hook) {
  // Both get their value in one hook, so that both wait for one thread.
  auto both = env().run<stage>("both", in, std::vector{to_a, to_b},
                               script{.on_value = [&](stage& self, int& x) {
                                 self.outs.publish(x);
                                 published = steady::now();
                               }});
  std::atomic<bool> second = false;
  const auto work = [&](int) {
    // Whoever comes first computes; the other one must not wait for it.
    if (second.exchange(!second)) {
      begun = steady::now();
    } else {
      compute_for(long_hook);
      ++idle_;
    }
  };
  auto a = env().run(puma::for_each("a", to_a, work));
  auto b = env().run(puma::for_each("b", to_b, work));
  a.wait_until_running();
  b.wait_until_running();

  EXPECT_LT(shortest_delay(), soon);
}

TEST_P(scheduling, starts_what_a_plain_thread_published_to) {
  auto busy = env().run(puma::for_each("busy", to_a, [&](int) {
    compute_for(long_hook);
    ++idle_;
  }));
  auto b = env().run(
    puma::for_each("b", in, [&](int) { begun = steady::now(); }));
  auto out = to_a.open_publisher();
  b.wait_until_running();
  auto to = in.open_publisher();

  auto shortest = std::chrono::nanoseconds::max();
  for (int i = 0; i != 3; ++i) {
    begun = time_point{};
    out.publish(i);
    ASSERT_TRUE(eventually([&] { return to_a.stats().waiting <= 1; }));
    published = steady::now();
    to.publish(i);
    ASSERT_TRUE(eventually([&] { return begun.load() != time_point{}; }));
    shortest = std::min<std::chrono::nanoseconds>(
      shortest, begun.load() - published.load());
    ASSERT_TRUE(eventually([&] { return idle_.load() == i + 1; }));
  }

  EXPECT_LT(shortest, soon);
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
