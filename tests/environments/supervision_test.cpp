// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"
#include "tests/support/stats.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

using puma::on_failure;
using puma::restart_strategy;
using puma::supervision_policy;
using puma::value_policy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Restarts at once, as often as it takes.
constexpr supervision_policy always_again{.then = on_failure::restart,
                                          .max_restarts = 1'000,
                                          .first_backoff = 0s,
                                          .max_backoff = 0s};

supervision_policy with_strategy(restart_strategy x) {
  auto result = always_again;
  result.strategy = x;
  return result;
}

/// Collects what several instances of a runnable see.
template <class T>
class collector {
 public:
  void add(T x) const {
    const std::lock_guard guard{state_->mutex};
    state_->all.push_back(std::move(x));
  }

  [[nodiscard]] std::vector<T> all() const {
    const std::lock_guard guard{state_->mutex};
    return state_->all;
  }

 private:
  struct state {
    std::mutex mutex;
    std::vector<T> all;
  };
  std::shared_ptr<state> state_ = std::make_shared<state>();
};

using ints = collector<int>;
using names = collector<std::string>;

/// Passes values on, and fails on a given one the first `times` times.
script fail_on(int value, int times = 1) {
  return {.on_value = [value, left = std::make_shared<std::atomic<int>>(times)](
                        stage& self, int& x) {
    if (x == value && left->fetch_sub(1) > 0)
      throw std::runtime_error{"cannot handle " + std::to_string(x)};
    self.outs.publish(x);
  }};
}

script collect(ints to) {
  return {.on_value = [to](stage&, int& x) { to.add(x); }};
}

std::vector<int> up_to(int n) {
  std::vector<int> result(static_cast<std::size_t>(n));
  std::iota(result.begin(), result.end(), 1);
  return result;
}

class supervision : public environment_test {
 protected:
  template <class Runnable, class... Args>
  [[nodiscard]] puma::runner run_in(const puma::supervisor_environment& where,
                                    Args&&... args) {
    if (GetParam() == hosting::dedicated)
      return where.run<Runnable>(puma::dedicated, std::forward<Args>(args)...);
    return where.run<Runnable>(std::forward<Args>(args)...);
  }

  int_buffer in = env().make_buffer<int>("in", 16);
  int_buffer out = env().make_buffer<int>("out", 16);
  ints seen;
};

INSTANTIATE_TEST_SUITE_P(, supervision, any_hosting, with_hosting);

TEST_P(supervision, restarts_a_runnable_that_fails_and_loses_only_the_value) {
  const auto guard = env().supervisor("guard", always_again);
  const auto sink = run<stage>("sink", out, std::vector<int_buffer>{},
                               collect(seen));
  auto middle = run_in<stage>(guard, "middle", in, std::vector{out},
                              fail_on(3));
  const auto source = run<counting_source>("source", std::vector{in}, 100);

  rt().join();

  auto expected = up_to(100);
  expected.erase(expected.begin() + 2);
  EXPECT_EQ(seen.all(), expected);
  EXPECT_EQ(in.stats().failed, 1u);
  expect_balanced(in.stats());
  expect_balanced(out.stats());
  EXPECT_FALSE(middle.last_failure());
}

TEST_P(supervision, tries_a_value_again) {
  const auto guard = env().supervisor("guard", always_again);
  const auto sink = run<stage>("sink", out, std::vector<int_buffer>{},
                               collect(seen));
  const auto middle = run_in<stage>(guard.with(value_policy::skip(2)), "middle",
                                    in, std::vector{out}, fail_on(3, 2));
  const auto source = run<counting_source>("source", std::vector{in}, 100);

  rt().join();

  EXPECT_EQ(seen.all(), up_to(100));
  expect_balanced(in.stats());
}

TEST_P(supervision, skips_a_value_after_so_many_attempts) {
  const auto guard = env().supervisor("guard", always_again);
  ints tried;
  const auto middle = run_in<stage>(guard.with(value_policy::skip(2)), "middle",
                                    in, std::vector<int_buffer>{},
                                    script{.on_value = [tried](stage&, int& x) {
                                      tried.add(x);
                                      if (x == 2)
                                        throw std::runtime_error{"poison"};
                                    }});
  const auto source = run<counting_source>("source", std::vector{in}, 4);

  rt().join();

  EXPECT_THAT(tried.all(), ElementsAre(1, 2, 2, 2, 3, 4));
  EXPECT_EQ(in.stats().skipped, 1u);
  EXPECT_EQ(in.stats().taken, 4u);
  expect_balanced(in.stats());
}

TEST_P(supervision, sends_a_value_to_the_dead_letters) {
  auto letters = env().make_buffer<puma::dead_letter<int>>("letters", 1);
  const auto guard = env().supervisor("guard", always_again);
  const auto middle = run_in<stage>(
    guard.with(value_policy::dead_letters(letters, 1)), "middle", in,
    std::vector<int_buffer>{}, script{.on_value = [](stage&, int& x) {
      if (x % 2 == 0)
        throw std::runtime_error{"odd ones only"};
    }});
  const auto source = run<counting_source>("source", std::vector{in}, 10);

  auto from = letters.subscribe();
  std::vector<int> dead;
  while (auto letter = from.next()) {
    dead.push_back(letter->value);
    EXPECT_EQ(letter->attempts, 2u);
    EXPECT_EQ(letter->error.text, "odd ones only");
    EXPECT_EQ(letter->error.runnable, "middle");
    EXPECT_THAT(letter->error.activity, HasSubstr("on_value"));
  }
  rt().join();

  EXPECT_THAT(dead, ElementsAre(2, 4, 6, 8, 10));
  EXPECT_EQ(in.stats().dead_lettered, 5u);
  expect_balanced(in.stats());
}

TEST_P(supervision, gives_up_after_too_many_failures_and_tells_the_causes) {
  const auto guard = env().supervisor(
    "guard", {.then = on_failure::restart, .max_restarts = 2});
  const auto middle = run_in<stage>(
    guard, "middle", in, std::vector<int_buffer>{}, fail_on(1, 1'000));
  auto again = in.open_publisher();
  for (int i = 0; i != 3; ++i)
    again.publish(1);
  const auto source = run<counting_source>("source", std::vector{in},
                                           std::nullopt, [](int) {});
  try {
    rt().join();
    FAIL() << "nothing was thrown";
  } catch (const puma::restarts_exhausted& error) {
    EXPECT_THAT(error.what(), HasSubstr("supervisor 'guard'"));
    EXPECT_THAT(error.what(), HasSubstr("after 2 restarts"));
    const auto origin = puma::current_failure();
    ASSERT_TRUE(origin);
    ASSERT_TRUE(origin->cause());
    EXPECT_EQ(origin->cause()->runnable(), "middle");
    EXPECT_EQ(origin->cause()->text(), "cannot handle 1");
  }
}

TEST_P(supervision, fails_the_outputs_when_it_gives_up) {
  const auto guard = env().supervisor(
    "guard", {.then = on_failure::restart, .max_restarts = 0});
  names errors;
  const auto sink = run<taking_stage>(
    "sink", out, std::vector<int_buffer>{},
    [errors](stage&, const puma::failure* error) {
      errors.add(error ? std::string{error->type()} : "none");
    },
    collect(seen));
  const auto middle = run_in<stage>(guard, "middle", in, std::vector{out},
                                    fail_on(3));
  const auto source = run<counting_source>("source", std::vector{in}, 10);

  rt().join();

  EXPECT_THAT(seen.all(), ElementsAre(1, 2));
  EXPECT_THAT(errors.all(), ElementsAre("puma::restarts_exhausted"));
}

TEST_P(supervision, does_not_restart_what_completed_normally) {
  const auto guard = env().supervisor("guard", always_again);
  names starts;
  const auto middle = run_in<stage>(
    guard, "middle", in, std::vector{out},
    script{.on_start = [starts](stage& x) { starts.add(x.name()); }});
  const auto sink = run<stage>("sink", out, std::vector<int_buffer>{},
                               collect(seen));
  const auto source = run_in<counting_source>(guard, "source", std::vector{in},
                                              5);

  rt().join();

  EXPECT_THAT(starts.all(), ElementsAre("middle"));
  EXPECT_EQ(seen.all(), up_to(5));
}

TEST_P(supervision, restarts_after_a_failure_of_the_constructor) {
  const auto guard = env().supervisor("guard", always_again);
  const auto left = std::make_shared<std::atomic<int>>(3);
  const auto sink = run<stage>("sink", out, std::vector<int_buffer>{},
                               collect(seen));
  const auto middle = run_in<stage>(guard, "middle", in, std::vector{out},
                                    script{.on_start = [left](stage&) {
                                      if (left->fetch_sub(1) > 0)
                                        throw std::runtime_error{"not yet"};
                                    }});
  const auto source = run<counting_source>("source", std::vector{in}, 5);

  rt().join();

  EXPECT_EQ(seen.all(), up_to(5));
}

TEST_P(supervision, leaves_a_runnable_alone_that_its_owner_stopped) {
  const auto guard = env().supervisor("guard", {.then = on_failure::restart,
                                                .max_restarts = 1'000'000,
                                                .first_backoff = 1h,
                                                .max_backoff = 1h});
  auto middle = run_in<stage>(guard, "middle", in, std::vector{out},
                              fail_on(1, 1'000));
  auto feed = in.open_publisher();
  feed.publish(1);
  feed.publish(1);
  ASSERT_TRUE(eventually([&] {
    return log.count(puma::log_level::warning, "left to its supervisor") == 2;
  }));

  middle.stop();
  ASSERT_TRUE(middle.join_for(10s));

  EXPECT_FALSE(middle.is_alive());
  EXPECT_NO_THROW(middle.check_for_exceptions());
  auto from = out.subscribe();
  EXPECT_FALSE(from.next()); // completed
  feed.complete();
}

TEST_P(supervision, makes_calls_that_waited_when_the_successor_is_there) {
  class counter : public puma::command_driven_runnable {
   public:
    counter() : command_driven_runnable("counter") {}
    int add(int x) { return sum_ += x; }
    void fail() { throw std::runtime_error{"told to"}; }

   private:
    int sum_ = 0;
  };
  const auto guard = env().supervisor("guard", always_again);
  const auto x = run_in<counter>(guard);
  EXPECT_EQ(x.call<&counter::add>(2), 2);

  x.post<&counter::fail>();
  auto first = x.async<&counter::add>(3);
  auto second = x.async<&counter::add>(4);

  EXPECT_EQ(first.get(), 3);
  EXPECT_EQ(second.get(), 7);
}

TEST_P(supervision, does_not_take_an_object_for_one_from_before_a_restart) {
  class counter {
   public:
    explicit counter(int start) : value_(start) {}
    counter(counter&&) = default;
    counter& operator=(counter&&) = default;
    counter(const counter&) = delete;
    counter& operator=(const counter&) = delete;
    int value() const { return value_; }

   private:
    int value_;
  };
  class owner : public puma::command_driven_runnable {
   public:
    owner() : command_driven_runnable("owner") {}
    void keep(int start) {
      own_ = std::make_unique<counter>(start);
      kept_ = refer_to(*own_);
    }
    puma::remote<counter> kept() { return kept_; }
    void fail() { throw std::runtime_error{"told to"}; }

   private:
    std::unique_ptr<counter> own_;
    puma::remote<counter> kept_;
  };
  const auto guard = env().supervisor("guard", always_again);
  const auto x = run_in<owner>(guard);
  x.call<&owner::keep>(1);
  auto before = x.call<&owner::kept>();
  EXPECT_EQ(before.call<&counter::value>(), 1);
  x.post<&owner::fail>();
  x.call<&owner::keep>(2);

  EXPECT_ANY_THROW(before.call<&counter::value>());
  before = {};

  EXPECT_EQ(x.call<&owner::kept>().call<&counter::value>(), 2);
}

TEST_P(supervision, refuses_a_runnable_that_cannot_be_made_again) {
  class holder : public puma::command_driven_runnable {
   public:
    explicit holder(std::unique_ptr<int>) : command_driven_runnable("holder") {}
  };
  const auto guard = env().supervisor("guard", always_again);

  try {
    static_cast<void>(guard.run<holder>(std::make_unique<int>(1)));
    FAIL() << "nothing was thrown";
  } catch (const puma::usage_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot be restarted"));
    EXPECT_THAT(error.what(), HasSubstr("unique_ptr"));
  }
}

TEST_P(supervision, refuses_a_value_policy_where_nothing_is_restarted) {
  const auto guard = env().supervisor("guard");

  EXPECT_THROW(
    static_cast<void>(guard.with(value_policy::skip(1)).run<stage>("x", in)),
    puma::usage_error);
}

TEST_P(supervision, refuses_policies_that_make_no_sense) {
  EXPECT_THROW(static_cast<void>(env().supervisor("")), puma::usage_error);
  EXPECT_THROW(static_cast<void>(env().supervisor("x", {.period = 0s})),
               puma::usage_error);
  EXPECT_THROW(static_cast<void>(env().supervisor(
                 "x", {.first_backoff = 2s, .max_backoff = 1s})),
               puma::usage_error);
  EXPECT_THROW(static_cast<void>(env().supervisor("x", {.jitter = 1.5})),
               puma::usage_error);
}

TEST_P(supervision, restarts_all_children_together) {
  const auto guard = env().supervisor(
    "guard", with_strategy(restart_strategy::one_for_all));
  names starts;
  const auto noting = [starts](stage& x) { starts.add(x.name()); };
  auto other_in = env().make_buffer<int>("other in", 4);
  auto first = run_in<stage>(guard, "first", other_in,
                             std::vector<int_buffer>{},
                             script{.on_start = noting});
  auto failing = fail_on(1);
  failing.on_start = noting;
  auto second = run_in<stage>(guard, "second", in, std::vector<int_buffer>{},
                              failing);
  first.wait_until_running();
  second.wait_until_running();
  ASSERT_TRUE(eventually([&] { return starts.all().size() == 2; }));

  auto feed = in.open_publisher();
  feed.publish(1);

  ASSERT_TRUE(eventually([&] { return starts.all().size() == 4; }));
  EXPECT_THAT(starts.all(), ::testing::UnorderedElementsAre("first", "second",
                                                            "first", "second"));
  other_in.open_publisher().complete();
  feed.complete();
  rt().join();
}

TEST_P(supervision, restarts_what_is_downstream) {
  const auto guard = env().supervisor(
    "guard", with_strategy(restart_strategy::rest_for_one));
  names starts;
  const auto noting = [starts](stage& x) { starts.add(x.name()); };
  auto end = env().make_buffer<int>("end", 4);
  names constructed; // told when the supervisor knows its buffers
  guard.on_event([constructed](const puma::supervision_event& x) {
    if (x.what == puma::supervision_event::kind::started)
      constructed.add(x.runnable);
  });
  // Started in an order that says nothing of the flow.
  auto last = run_in<stage>(guard, "last", out, std::vector<int_buffer>{},
                            script{.on_start = noting});
  auto failing = fail_on(1);
  failing.on_start = noting;
  auto middle = run_in<stage>(guard, "middle", end, std::vector{out}, failing);
  auto first = run_in<stage>(guard, "first", in, std::vector{end},
                             script{.on_start = noting});
  ASSERT_TRUE(eventually([&] { return constructed.all().size() == 3; }));

  auto feed = in.open_publisher();
  feed.publish(1);

  ASSERT_TRUE(eventually([&] { return starts.all().size() == 5; }));
  feed.complete();
  rt().join();
  const auto all = starts.all();
  EXPECT_EQ(std::count(all.begin(), all.end(), "first"), 1);
  EXPECT_EQ(std::count(all.begin(), all.end(), "middle"), 2);
  EXPECT_EQ(std::count(all.begin(), all.end(), "last"), 2);
}

TEST_P(supervision, lets_the_parent_decide) {
  const auto top = env().supervisor("top", always_again);
  const auto below = top.supervisor(
    "below", {.then = on_failure::restart, .max_restarts = 1});
  names events;
  top.on_event([events](const puma::supervision_event& x) {
    events.add(std::string{to_string(x.what)} + " " + x.runnable);
  });
  const auto sink = run<stage>("sink", out, std::vector<int_buffer>{},
                               collect(seen));
  auto middle = run_in<stage>(below, "middle", in, std::vector{out},
                              fail_on(3, 3));
  auto feed = in.open_publisher();
  for (int i = 1; i != 6; ++i)
    feed.publish(i);
  feed.publish(3);
  feed.publish(3);
  feed.publish(7);
  feed.complete();

  rt().join();

  EXPECT_THAT(seen.all(), ElementsAre(1, 2, 4, 5, 7));
  // They are told by an actor of its own.
  ASSERT_TRUE(eventually([&] {
    const auto so_far = events.all();
    return !so_far.empty() && so_far.back() == "stopped middle";
  }));
  const auto all = events.all();
  EXPECT_EQ(std::count(all.begin(), all.end(), "failed middle"), 3);
  EXPECT_EQ(std::count(all.begin(), all.end(), "restarted middle"), 3);
  EXPECT_EQ(std::count(all.begin(), all.end(), "gave_up "), 1);
  EXPECT_EQ(all.front(), "started middle");
}

TEST_P(supervision, fails_upwards_when_nobody_restarts) {
  const auto top = env().supervisor("top");
  const auto below = top.supervisor(
    "below", {.then = on_failure::restart, .max_restarts = 0});
  auto middle = run_in<stage>(below, "middle", in, std::vector<int_buffer>{},
                              fail_on(1));
  auto sibling = run_in<stage>(below, "sibling", out,
                               std::vector<int_buffer>{});
  auto feed = in.open_publisher();
  auto hold = out.open_publisher();
  feed.publish(1);

  try {
    rt().join();
    FAIL() << "nothing was thrown";
  } catch (const puma::restarts_exhausted&) {
    const auto origin = puma::current_failure();
    ASSERT_TRUE(origin);
    EXPECT_THAT(std::string{origin->text()}, HasSubstr("'top'"));
    ASSERT_TRUE(origin->cause());
    EXPECT_THAT(std::string{origin->cause()->text()}, HasSubstr("'below'"));
    ASSERT_TRUE(origin->cause()->cause());
    EXPECT_EQ(origin->cause()->cause()->runnable(), "middle");
  }
  EXPECT_FALSE(sibling.is_alive());
}

TEST_P(supervision, tells_what_happens) {
  const auto guard = env().supervisor("guard", always_again);
  names events;
  guard.on_event([events](const puma::supervision_event& x) {
    EXPECT_EQ(x.supervisor, "guard");
    events.add(std::string{to_string(x.what)} + " "
               + std::to_string(x.restarts));
  });
  {
    const auto middle = run_in<stage>(guard.with(value_policy::skip(0)),
                                      "middle", in, std::vector<int_buffer>{},
                                      fail_on(2));
    const auto source = run<counting_source>("source", std::vector{in}, 3);
    rt().join();
  }
  ASSERT_TRUE(eventually([&] { return events.all().size() == 4; }));

  EXPECT_THAT(events.all(),
              ElementsAre("started 0", "failed 0", "restarted 1", "stopped 1"));
}

TEST_P(supervision, starts_a_group_in_order_and_stops_it_in_reverse) {
  const auto guard = env().supervisor("guard");
  names steps;
  const auto noting = [steps](const char* what) {
    return [steps, what](idler& x) { steps.add(what + x.name()); };
  };
  auto a = guard.make<idler>("a", noting("+"));
  auto b = guard.make<idler>("b", noting("+"));
  auto c = guard.make<idler>("c", noting("+"));

  guard.start_all();

  EXPECT_THAT(steps.all(), ElementsAre("+a", "+b", "+c"));
  EXPECT_TRUE(a.is_alive() && b.is_alive() && c.is_alive());
  EXPECT_TRUE(guard.stop_all());
  EXPECT_FALSE(a.is_alive() || b.is_alive() || c.is_alive());
}

TEST_P(supervision, rolls_back_when_one_of_a_group_does_not_start) {
  const auto guard = env().supervisor("guard");
  auto a = guard.make<idler>("a");
  auto b = guard.make<idler>(
    "b", [](idler&) { throw std::invalid_argument{"b cannot start"}; });
  auto c = guard.make<idler>("c");

  EXPECT_THROW(guard.start_all(), std::invalid_argument);

  EXPECT_FALSE(a.is_alive());
  EXPECT_FALSE(b.is_alive());
  EXPECT_FALSE(c.is_alive());
}

} // namespace
