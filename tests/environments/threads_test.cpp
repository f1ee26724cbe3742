// SPDX-License-Identifier: Apache-2.0

#include "tests/support/threads.hpp"

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/gate.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::receive_status;
using ::testing::Each;
using ::testing::Ne;
using ::testing::SizeIs;

namespace {

/// What only real threads show.
class threads : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);
};

INSTANTIATE_TEST_SUITE_P(, threads, any_hosting, with_hosting);

/// Records the thread of each step of its life.
class located : public stage {
 public:
  using places = journal<std::thread::id>;

  located(const int_buffer& in, const places& to)
    : stage("located", in, {},
            script{.on_start = [to](stage&) { note(to); },
                   .on_value = [to](stage&, int&) { note(to); }}),
      places_(to) {
    note(places_);
  }

  ~located() override { note(places_); }

 private:
  static void note(const places& to) { to.add(std::this_thread::get_id()); }

  places places_;
};

/// Is constructed only when the gate is open.
class slow_to_construct : public counting_source {
 public:
  slow_to_construct(const int_buffer& out, const gate* opened, int last)
    : counting_source((opened->pass(), "slow"), {out}, last) {}
};

TEST_P(threads, are_never_those_of_the_owner) {
  located::places seen;
  auto x = run<located>(in, seen);

  stream_all(in, 1, 2);
  x.join();

  EXPECT_THAT(seen.entries(), SizeIs(5));
  EXPECT_THAT(seen.entries(), Each(Ne(std::this_thread::get_id())));
}

TEST_P(threads, of_a_slow_constructor_are_not_waited_for_by_run) {
  gate opened;
  auto x = run<slow_to_construct>(out, &opened, 1);

  EXPECT_FALSE(x.wait_until_running_for(1ms));
  EXPECT_TRUE(x.is_alive());
  opened.open();
  x.wait_until_running();

  EXPECT_THAT(rest_of(out), ::testing::ElementsAre(1));
}

TEST_P(threads, of_a_fast_producer_do_not_end_the_stream_of_a_slow_one) {
  gate opened;
  auto slow = run<slow_to_construct>(out, &opened, 1);
  auto fast = run<counting_source>("fast", std::vector{out}, 2);
  fast.join();
  auto end = out.subscribe();
  ASSERT_EQ(end.next(), 1);
  ASSERT_EQ(end.next(), 2);
  EXPECT_EQ(end.try_next().status(), receive_status::empty);

  opened.open();

  EXPECT_EQ(end.next(), 1);
  EXPECT_EQ(end.next(), std::nullopt);
}

TEST_P(threads, that_wait_for_a_runner_are_woken_by_its_end) {
  gate passed;
  auto x = run<stage>("stage", in);
  observed_thread waiting{[&] {
    x.join();
    passed.open();
  }};
  ASSERT_TRUE(waiting.wait_until_asleep());
  EXPECT_FALSE(passed.is_open());

  stream_all(in, 1, 1);
  waiting.join();

  EXPECT_TRUE(passed.is_open());
}

TEST_P(threads, may_share_a_runner) {
  auto x = run<stage>("stage", in);
  {
    std::vector<std::jthread> all;
    for (int i = 0; i != 4; ++i)
      all.emplace_back([&] {
        x.wait_until_running();
        x.stop();
        x.join();
        x.check_for_exceptions();
      });
  }

  EXPECT_FALSE(x.is_alive());
}

TEST_P(threads, may_start_runnables_at_once) {
  std::atomic<int> ended = 0;
  {
    std::vector<std::jthread> all;
    for (int i = 0; i != 4; ++i)
      all.emplace_back([&] {
        for (int n = 0; n != 100; ++n) {
          auto x = env().run<idler>("short", [](idler& self) { self.stop(); });
          x.join();
          ++ended;
        }
      });
  }

  EXPECT_EQ(ended, 400);
  EXPECT_TRUE(rt().join_for(30s).done());
}

TEST_P(threads, may_throw_one_error_to_only_one_of_them) {
  auto x = run<stage>(
    "stage", in, std::vector<int_buffer>{},
    script{.on_value = [](stage&, int& n) { throw sensor_broken{n}; }});
  publish_all(in, 1, 1);
  x.join();
  std::atomic<int> thrown = 0;
  {
    std::vector<std::jthread> all;
    for (int i = 0; i != 4; ++i)
      all.emplace_back([&] {
        try {
          x.check_for_exceptions();
        } catch (const sensor_broken&) {
          ++thrown;
        }
      });
  }

  EXPECT_EQ(thrown, 1);
}

TEST_P(threads, that_stop_runnables_in_the_flow_lose_and_double_no_value) {
  constexpr int last = 20'000;
  numbers seen;
  auto source = env().run<counting_source>("source", std::vector{in}, last);

  for (int stops = 1; stops <= 20; ++stops) {
    auto x = run<stage>(
      "stage", in, std::vector<int_buffer>{},
      script{.on_value = [&](stage&, int& value) { seen.add(value); }});
    const auto goal = std::min<std::size_t>(seen.size() + 100, last);
    ASSERT_TRUE(eventually([&] { return seen.size() >= goal; }));
    x.stop();
    x.join();
  }

  for (const int x : rest_of(in))
    seen.add(x);
  EXPECT_EQ(seen.entries(), numbers_to(last));
}

TEST_P(threads, that_destroy_a_runtime_need_not_wait_for_a_good_moment) {
  for (int i = 0; i != 100; ++i) {
    puma::runtime own{{.threads = 2}};
    const puma::thread_environment there{own};
    auto a = there.make_buffer<int>("a", 4);
    auto b = there.make_buffer<int>("b", 4);
    auto source = there.run<counting_source>("source", std::vector{a});
    auto middle = there.run<stage>(puma::dedicated, "middle", a,
                                   std::vector{b});
    auto sink = there.run(puma::for_each("sink", b, [](int) {}));
    if (i % 3 == 0)
      sink.wait_until_running();
    if (i % 5 == 0) {
      EXPECT_TRUE(eventually([&] { return b.stats().taken > 10; }));
    }
  }
}

class dedicated_threads : public threads {};

INSTANTIATE_TEST_SUITE_P(, dedicated_threads, no_hosting, without_hosting);

TEST_P(dedicated_threads, see_the_whole_life_of_a_runnable) {
  located::places seen;
  auto x = env().run<located>(puma::dedicated, in, seen);

  stream_all(in, 1, 2);
  x.join();

  ASSERT_THAT(seen.entries(), SizeIs(5));
  EXPECT_THAT(seen.entries(), Each(seen.entries().front()));
}

TEST_P(dedicated_threads, do_not_hold_back_pooled_runnables) {
  gate opened;
  std::vector<puma::runner> blocked;
  for (int i = 0; i != 4; ++i)
    blocked.push_back(
      env().run<slow_to_construct>(puma::dedicated, out, &opened, 0));

  auto x = env().run<stage>("stage", in);
  stream_all(in, 1, 1);
  EXPECT_TRUE(x.join_for(30s));

  opened.open();
}

TEST_P(dedicated_threads, that_wait_in_publish_end_with_a_stop_from_outside) {
  auto x = env().run<counting_source>(puma::dedicated, "source",
                                      std::vector{out});
  ASSERT_TRUE(eventually([&] { return out.stats().waiting == 8; }));

  x.stop();
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_EQ(rest_of(out), numbers_to(8));
}

TEST_P(dedicated_threads, that_wait_in_publish_end_with_the_stream) {
  auto x = env().run<counting_source>(puma::dedicated, "source",
                                      std::vector{out});
  ASSERT_TRUE(eventually([&] { return out.stats().waiting == 8; }));

  out.open_publisher().fail(sensor_broken{1});
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
}

} // namespace
