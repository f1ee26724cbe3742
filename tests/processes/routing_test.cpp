// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

using namespace puma_test;
using puma::when_full;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

using cast = puma::multicaster<int>;
using distribute = puma::distributor<int>;
using merge = puma::merger<int>;

/// Takes some values and then fails.
class failing : public puma::single_buffer_servicing_runnable<int> {
 public:
  failing(std::string name, const puma::buffer<int>& in, int after)
    : single_buffer_servicing_runnable(std::move(name), in),
      left_(after) {}

 protected:
  void on_value(int&) override {
    if (left_-- == 0)
      throw std::domain_error{"enough"};
  }

 private:
  int left_;
};

int refuse_77(int x) {
  if (x == 77)
    throw std::domain_error{"refuses 77"};
  return x;
}

int die_at_77(int x) {
  if (x == 77)
    std::raise(SIGKILL);
  return x;
}

std::vector<int> doubled(int last) {
  std::vector<int> result;
  for (int i = 1; i <= last; ++i)
    result.push_back(2 * i);
  return result;
}

class routing : public place_test {
 protected:
  puma::buffer<int> in = env().make_buffer<int>("in", 16);
  puma::buffer<int> a = env().make_buffer<int>("a", 16);
  puma::buffer<int> b = env().make_buffer<int>("b", 16);
  puma::buffer<int> c = env().make_buffer<int>("c", 16);
};

INSTANTIATE_TEST_SUITE_P(, routing, any_place_at_all, place_name);

// -- multicaster --------------------------------------------------------------

TEST_P(routing, multicasts_to_outputs_in_other_processes) {
  auto x = env().run<cast>("cast", in, std::vector{a, b});
  auto y = env().run<passing<int>>("pass"s, b, c);
  const auto source = env().run<counting<int>>("source"s, in, 1, 12);

  EXPECT_EQ(read_all(a), numbers(1, 12));
  EXPECT_EQ(read_all(c), numbers(1, 12));
  join(x);
}

TEST_P(routing, multicasts_shared_values) {
  using shared = std::shared_ptr<const report>;
  auto from = env().make_buffer<shared>("from", 4);
  std::vector to{env().make_buffer<shared>("to", 4),
                 env().make_buffer<shared>("to", 4)};
  auto x = env().run<puma::multicaster<shared>>("cast", from, to);

  auto out = from.open_publisher();
  send(out, std::make_shared<const report>(made<report>(3)));
  out.complete();

  for (auto& y : to) {
    const auto all = read_all(y);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(*all.front(), made<report>(3));
  }
}

TEST_P(routing, multicasts_to_outputs_that_come_and_go) {
  auto x = env().run<cast>("cast", in, std::vector{a});
  wait_for(x);
  auto first = a.subscribe();
  auto out = in.open_publisher();
  send(out, 1);
  EXPECT_EQ(read_one(first), 1);

  x.call<&cast::add_output>(b, when_full::block);
  EXPECT_EQ(x.call<&cast::output_count>(), 2u);
  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { x.call<&cast::add_output>(b, when_full::warn); }),
              HasSubstr("runnable 'cast': buffer 'b' is one of its outputs "
                        "already"));
  EXPECT_THAT(
    thrown_text<puma::usage_error>([&] { x.call<&cast::remove_output>(c); }),
    HasSubstr("runnable 'cast': buffer 'c' is not one"));
  send(out, 2);
  auto second = b.subscribe();
  EXPECT_EQ(read_one(second), 2);
  EXPECT_EQ(read_one(first), 2);

  x.call<&cast::remove_output>(b);
  send(out, 3);
  out.complete();
  EXPECT_THAT(read(second).values, ElementsAre());
  EXPECT_THAT(read(first).values, ElementsAre(3));
}

TEST_P(routing, multicasts_on_when_the_consumer_of_an_output_fails) {
  using output = puma::multicast_output<int>;
  auto x = env().run<cast>(
    "cast", in, std::vector{output{a}, output{b, when_full::drop_newest}});
  auto y = env().run<failing>("failing"s, b, 3);
  const auto source = env().run<counting<int>>("source"s, in, 1, 1000);

  EXPECT_EQ(read_all(a), numbers(1, 1000));
  join(x);
  join(y);
  EXPECT_THROW(y.check_for_exceptions(), std::domain_error);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(routing, ends_a_multicast_at_an_output_that_may_not_be_full) {
  using output = puma::multicast_output<int>;
  auto x = env().run<cast>("cast", in,
                           std::vector{output{a}, output{b, when_full::fail}});
  const auto source = env().run<counting<int>>("source"s, in, 1, 1000);

  // Nobody takes from `b`.
  const auto found = read(a);

  EXPECT_EQ(to_string(found.end), "failed");
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->type(), "puma::buffer_full");
  // Between processes a buffer may be full before all of its places are taken.
  const auto last = static_cast<int>(found.values.size());
  EXPECT_LE(last, 17);
  EXPECT_EQ(found.values, numbers(1, last));
  EXPECT_EQ(read(b).values, numbers(1, last - 1));
}

TEST_P(routing, ends_a_multicast_at_an_output_that_is_full_from_the_start) {
  using output = puma::multicast_output<int>;
  auto other = b.open_publisher();
  send_numbers(other, 1, 16);
  auto x = env().run<cast>("cast", in,
                           std::vector{output{a}, output{b, when_full::fail}});
  auto out = in.open_publisher();
  send(out, 17);

  const auto found = read(a);

  ASSERT_TRUE(found.error) << to_string(found.end);
  EXPECT_EQ(found.error->type(), "puma::buffer_full");
  EXPECT_THAT(std::string{found.error->text()},
              HasSubstr("buffer 'b': full at 16 values"));
  EXPECT_EQ(read(b).values, numbers(1, 16));
}

// -- distributor and merger ---------------------------------------------------

TEST_P(routing, distributes_and_merges_in_turn) {
  auto x = env().run<distribute>("spread", in, std::vector{a, b});
  auto y = env().run<merge>("merge", std::vector{a, b}, c,
                            puma::merging::round_robin);
  const auto source = env().run<counting<int>>("source"s, in, 1, 500);

  EXPECT_EQ(read_all(c), numbers(1, 500));
}

TEST_P(routing, distributes_by_key) {
  auto x = env().run(puma::distribute_by("by key", in, std::vector{a, b},
                                         [](const int& i) { return i % 4; }));
  auto out = in.open_publisher();
  send_numbers(out, 1, 12);
  out.complete();

  std::vector<int> all;
  for (auto& y : {a, b}) {
    const auto some = read_all(y);
    EXPECT_TRUE(std::is_sorted(some.begin(), some.end()));
    all.insert(all.end(), some.begin(), some.end());
    EXPECT_EQ(some.size() % 3, 0u); // three values of each key
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(1, 12));
}

TEST_P(routing, distributes_to_the_least_loaded) {
  auto x = env().run<distribute>("spread", in, std::vector{a, b},
                                 puma::distribution::least_loaded);
  auto y = env().run<passing<int>>("pass"s, b, c);
  const auto source = env().run<counting<int>>("source"s, in, 1, 1000);

  // Nobody takes from `a`.
  const auto most = read_all(c);

  join(x);
  const auto rest = read_all(a);
  EXPECT_LE(rest.size(), 16u);
  EXPECT_EQ(most.size() + rest.size(), 1000u);
}

TEST_P(routing, distributes_to_outputs_that_come_and_go) {
  auto x = env().run<distribute>("spread", in, std::vector{a});
  wait_for(x);
  auto out = in.open_publisher();
  x.call<&distribute::add_output>(b);
  send_numbers(out, 1, 2);
  auto first = a.subscribe();
  auto second = b.subscribe();
  EXPECT_EQ(read_one(first) + read_one(second), 3);

  x.call<&distribute::remove_output>(a);
  EXPECT_THAT(read(first).values, ElementsAre());
  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { x.call<&distribute::remove_output>(b); }),
              HasSubstr("last output"));
  send(out, 3);
  EXPECT_EQ(read_one(second), 3);
}

TEST_P(routing, merges_as_values_come) {
  auto x = env().run<merge>("merge", std::vector{a, b}, c);
  const auto y = env().run<counting<int>>("first"s, a, 1, 100);
  const auto z = env().run<counting<int>>("second"s, b, 101, 200);

  auto all = read_all(c);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers(1, 200));
}

// -- parallel_transform -------------------------------------------------------

TEST_P(routing, transforms_in_parallel_and_in_order) {
  auto x = env().run(
    puma::parallel_transform("double", in, a, 3, [](int i) { return 2 * i; }));
  const auto source = env().run<counting<int>>("source"s, in, 1, 2000);

  EXPECT_EQ(read_all(a), doubled(2000));
  ASSERT_TRUE(x.join_for(patience));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(routing, transforms_with_a_state_for_each_runnable) {
  auto x = env().run(puma::parallel_transform(
    "count", in, a, 2,
    puma::with_state(10, [](int& state, int) { return ++state; })));
  const auto source = env().run<counting<int>>("source"s, in, 1, 6);

  EXPECT_THAT(read_all(a), ElementsAre(11, 11, 12, 12, 13, 13));
}

TEST_P(routing, fails_when_one_of_the_functions_in_parallel_does) {
  auto x = env().run(puma::parallel_transform(
    "check", in, a, 3, [](int i) { return refuse_77(i); }));
  const auto source = env().run<counting<int>>("source"s, in, 1, 100'000);

  const auto found = read(a);

  EXPECT_EQ(to_string(found.end), "failed");
  EXPECT_EQ(found.values, numbers(1, 76));
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->text(), "refuses 77");
  EXPECT_EQ(found.error->runnable(), "check.2");
  ASSERT_TRUE(x.join_for(patience));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(routing, restarts_one_of_the_functions_in_parallel) {
  const auto guard = env().supervisor("guard",
                                      {.then = puma::on_failure::restart,
                                       .max_restarts = 100,
                                       .first_backoff = 0s,
                                       .max_backoff = 0s});
  // Refuses a value of each runnable, and two in a row of one.
  auto x = guard.run(puma::parallel_transform("check", in, a, 3, [](int i) {
    if (i % 50 == 0 || i == 77 || i == 80)
      throw std::domain_error{"refuses"};
    return i;
  }));
  const auto source = env().run<counting<int>>("source"s, in, 1, 500);

  std::vector<int> expected;
  for (const int i : numbers(1, 500))
    if (i % 50 != 0 && i != 77 && i != 80)
      expected.push_back(i);
  EXPECT_EQ(read_all(a), expected);
  ASSERT_TRUE(x.join_for(patience));
}

class routing_processes : public process_test {
 protected:
  puma::buffer<int> in = env.make_buffer<int>("in", 16);
  puma::buffer<int> a = env.make_buffer<int>("a", 16);
  puma::buffer<int> b = env.make_buffer<int>("b", 16);
};

TEST_F(routing_processes, run_functions_in_parallel_and_the_rest_here) {
  auto ids = env.make_buffer<int>("ids", 16);
  auto x = env.run(puma::parallel_transform("ids", in, ids, 3,
                                            [](int) { return ::getpid(); }));
  ASSERT_TRUE(x.wait_until_running_for(patience));
  EXPECT_EQ(workers().size(), 3u);

  auto out = in.open_publisher();
  send_numbers(out, 1, 6);
  out.complete();

  const auto all = read_all(ids);
  ASSERT_EQ(all.size(), 6u);
  for (std::size_t i = 0; i != 3; ++i) {
    EXPECT_EQ(all[i], all[i + 3]);
    EXPECT_NE(all[i], ::getpid());
  }
}

TEST_F(routing_processes, fail_when_one_that_runs_a_function_is_killed) {
  auto x = env.run(puma::parallel_transform(
    "check", in, a, 3, [](int i) { return die_at_77(i); }));
  const auto source = env.run<counting<int>>("source"s, in, 1, 100'000);

  const auto found = read(a);

  EXPECT_EQ(to_string(found.end), "failed");
  // What it published last may be gone with it.
  EXPECT_EQ(found.values, numbers(1, static_cast<int>(found.values.size())));
  EXPECT_LE(found.values.size(), 76u);
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->type(), "puma::process_lost");
  ASSERT_TRUE(x.join_for(patience));
  EXPECT_FALSE(x.is_alive());
}

TEST_F(routing_processes, lose_and_repeat_nothing_when_they_are_restarted) {
  const auto guard = env.supervisor("guard", {.then = puma::on_failure::restart,
                                              .max_restarts = 100,
                                              .first_backoff = 0s,
                                              .max_backoff = 0s});
  auto x = guard.run(
    puma::parallel_transform("same", in, a, 3, [](int i) { return i; }));
  ASSERT_TRUE(x.wait_until_running_for(patience));
  const auto source = puma::thread_environment{rt()}.run<counting<int>>(
    "source"s, in, 1, 3000);

  auto from = a.subscribe();
  for (int i = 1; i <= 3000; ++i) {
    ASSERT_EQ(read_one(from), i);
    if (i % 1000 == 500) {
      ASSERT_TRUE(eventually([&] { return workers().size() == 3; }));
      ::kill(workers().at(static_cast<std::size_t>(i) / 1000), SIGKILL);
    }
  }
}

TEST_F(routing_processes, fail_the_outputs_of_a_multicaster_that_is_killed) {
  auto x = env.run<cast>("cast", in, std::vector{a, b});
  wait_for(x);
  auto out = in.open_publisher();
  send_numbers(out, 1, 3);
  auto first = a.subscribe();
  EXPECT_EQ(read(first, 3).values, numbers(1, 3));

  for (const auto id : workers())
    ::kill(id, SIGKILL);

  for (auto* y : {&first}) {
    const auto found = read(*y);
    ASSERT_TRUE(found.error);
    EXPECT_EQ(found.error->type(), "puma::process_lost");
  }
  const auto found = read(b);
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->type(), "puma::process_lost");
}

} // namespace
