// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <cstdint>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

/// What runnables share besides buffers.
class shared : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
};

INSTANTIATE_TEST_SUITE_P(, shared, no_hosting, without_hosting);

TEST_P(shared, value_begins_with_what_it_was_given) {
  EXPECT_EQ(env().make_value<std::int64_t>("hits").get(), 0);
  EXPECT_EQ(env().make_value<std::int64_t>("hits", 7).get(), 7);
  EXPECT_FALSE(env().make_value<bool>("ready").get());
  EXPECT_EQ(env().make_value<bool>("ready").name(), "ready");
}

TEST_P(shared, value_loses_no_addition) {
  auto hits = env().make_value<std::int64_t>("hits");
  std::vector<puma::runner> runners;
  for (int i = 0; i != 4; ++i)
    runners.push_back(
      env().run<idler>(puma::dedicated, "adder", [=](idler& self) mutable {
        for (int n = 0; n != 10'000; ++n)
          ++hits;
        self.stop();
      }));
  for (auto& x : runners)
    x.join();

  EXPECT_EQ(hits.get(), 40'000);
}

TEST_P(shared, value_is_changed_in_one_step) {
  auto x = env().make_value<int>("x", 1);

  EXPECT_EQ(x.exchange(2), 1);
  EXPECT_EQ(x.add(3), 5);
  EXPECT_FALSE(x.compare_exchange(4, 9));
  EXPECT_TRUE(x.compare_exchange(5, 9));
  EXPECT_EQ(x.get(), 9);
}

TEST_P(shared, value_is_one_for_all_copies) {
  auto flag = env().make_value<bool>("flag");
  auto x = env().run<idler>("setter", [copy = flag](idler& self) mutable {
    copy.set(true);
    self.stop();
  });
  x.join();

  EXPECT_TRUE(flag.get());
}

TEST_P(shared, event_can_be_set_and_cleared) {
  auto e = env().make_event("e");
  EXPECT_FALSE(e.is_set());

  e.set();
  EXPECT_TRUE(e.is_set());
  e.wait();
  EXPECT_TRUE(e.wait_for(0ms));
  e.clear();

  EXPECT_FALSE(e.is_set());
  EXPECT_FALSE(e.wait_for(1ms));
}

TEST_P(shared, event_wakes_all_who_wait) {
  auto go = env().make_event("go");
  auto woken = env().make_value<int>("woken");
  std::vector<puma::runner> runners;
  for (int i = 0; i != 3; ++i)
    runners.push_back(
      env().run<idler>(puma::dedicated, "waiting", [=](idler& self) mutable {
        go.wait();
        ++woken;
        self.stop();
      }));
  auto setter = env().run(
    puma::for_each("setter", in, [go](int) mutable { go.set(); }));
  publish_all(in, 1, 1);

  go.wait();
  for (auto& x : runners)
    x.join();

  EXPECT_EQ(woken.get(), 3);
}

TEST_P(shared, event_wakes_who_waits_also_if_it_is_cleared_at_once) {
  auto go = env().make_event("go");
  auto x = env().run<idler>(puma::dedicated, "waiting", [=](idler& self) {
    go.wait();
    self.stop();
  });

  const auto pulse = [&] {
    go.set();
    go.clear();
    return !x.is_alive();
  };
  // Under the virtual clock it is asked once, before the runnable goes on.
  EXPECT_TRUE(eventually(pulse) || eventually(pulse));
}

TEST_P(shared, handles_that_denote_nothing_cannot_be_used) {
  using puma::usage_error;

  EXPECT_THROW(++puma::shared_value<int>{}, usage_error);
  EXPECT_THROW(static_cast<void>(puma::shared_value<int>{}.name()),
               usage_error);
  EXPECT_THROW(static_cast<void>(puma::event{}.wait_for(1ms)), usage_error);
  EXPECT_THROW(static_cast<void>(puma::condition{}.name()), usage_error);
}

TEST_P(shared, condition_wakes_who_waits_when_it_holds) {
  auto c = env().make_condition("c");
  int level = 0; // guarded by the condition
  auto x = env().run(puma::for_each(
    "raise", in, [&level, c](int) mutable { c.change([&] { ++level; }); }));
  publish_all(in, 1, 5);

  c.wait([&] { return level >= 5; });

  EXPECT_EQ(level, 5);
}

TEST_P(shared, condition_gives_up_after_its_time) {
  auto c = env().make_condition("c");

  EXPECT_FALSE(c.wait_for(1ms, [] { return false; }));
  EXPECT_TRUE(c.wait_for(0ms, [] { return true; }));
}

TEST_P(shared, condition_refuses_to_be_used_within_itself) {
  auto c = env().make_condition("c");
  const auto refused = [](const auto& what) {
    try {
      what();
    } catch (const puma::usage_error& error) {
      return std::string{error.what()};
    }
    return std::string{};
  };
  const auto text = "condition 'c': used within its own change or predicate";

  EXPECT_EQ(refused([&] { c.change([&] { c.change([] {}); }); }), text);
  EXPECT_EQ(refused([&] { c.change([&] { c.wait([] { return true; }); }); }),
            text);
  EXPECT_EQ(refused([&] {
              c.wait([&] {
                c.change([] {});
                return true;
              });
            }),
            text);

  // Nothing is left of that.
  c.change([] {});
  EXPECT_TRUE(c.wait_for(0ms, [] { return true; }));
}

TEST_P(shared, condition_lets_dedicated_runnables_take_turns) {
  auto turns = env().make_condition("turns");
  int turn = 0; // guarded by the condition
  numbers order;
  std::vector<puma::runner> runners;
  for (int i = 0; i != 3; ++i)
    runners.push_back(env().run<idler>(
      puma::dedicated, "player", [&, i, turns](idler& self) mutable {
        turns.wait([&] { return turn == 2 - i; });
        order.add(i);
        turns.change([&] { ++turn; });
        self.stop();
      }));
  for (auto& x : runners)
    x.join();

  EXPECT_THAT(order.entries(), ElementsAre(2, 1, 0));
}

} // namespace
