// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

using namespace puma_test;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// Subscriptions that come and go, in one process after the other.
class handover : public place_test {
 protected:
  puma::buffer<int> a = env().make_buffer<int>("a", 16);
  puma::buffer<int> b = env().make_buffer<int>("b", 1000);

  /// What a runnable takes out of `a` before it ends.
  void take_some(int count, std::vector<int>& to) {
    auto from = b.subscribe();
    auto x = env().run<passing_some>("some"s, a, b, count);
    auto found = read(from, static_cast<std::size_t>(count)).values;
    to.insert(to.end(), found.begin(), found.end());
    join(x);
    from.unsubscribe();
    // The next one opens the stream anew.
    b = env().make_buffer<int>("b", 1000);
  }

  void take_some_here(int count, std::vector<int>& to) {
    auto found = read(a, static_cast<std::size_t>(count)).values;
    to.insert(to.end(), found.begin(), found.end());
  }
};

INSTANTIATE_TEST_SUITE_P(, handover, any_place_at_all, place_name);

TEST_P(handover, from_here_to_a_runnable_and_back_loses_nothing) {
  auto source = env().run<counting<int>>("source"s, a, 1, 2'000);
  std::vector<int> found;

  take_some_here(100, found);
  take_some(100, found);
  take_some_here(37, found);
  take_some(1, found);
  take_some(400, found);
  for (auto x : read_all(a))
    found.push_back(x);

  EXPECT_EQ(found, numbers(1, 2'000));
}

TEST_P(handover, while_the_test_publishes_loses_nothing) {
  std::jthread publishing{[&] {
    auto out = a.open_publisher();
    send_numbers(out, 1, 2'000);
    out.complete();
  }};
  std::vector<int> found;

  take_some(100, found);
  take_some_here(100, found);
  take_some(300, found);
  take_some(300, found);
  for (auto x : read_all(a))
    found.push_back(x);

  EXPECT_EQ(found, numbers(1, 2'000));
}

TEST_P(handover, often_loses_nothing) {
  auto source = env().run<counting<int>>("source"s, a, 1, 1'000);
  std::vector<int> found;
  for (int i = 0; i != 10; ++i) {
    take_some_here(1 + i % 3, found);
    take_some(1 + i % 5, found);
  }
  for (auto x : read_all(a))
    found.push_back(x);

  EXPECT_EQ(found, numbers(1, 1'000));
}

TEST_P(handover, with_four_publishers_keeps_the_order_of_each) {
  auto c = env().make_buffer<signed_number>("c", 8);
  std::vector<puma::runner> sources;
  for (int by = 1; by <= 4; ++by)
    sources.push_back(
      env().run<signing>("source " + std::to_string(by), c, by, 500));
  std::map<int, int> last;
  const auto check = [&](const std::vector<signed_number>& found) {
    for (auto& x : found)
      ASSERT_EQ(x.number, ++last[x.by]) << "publisher " << x.by;
  };

  check(read(c, 300).values);
  {
    auto d = env().make_buffer<signed_number>("d", 8);
    auto stage = env().run<passing<signed_number>>("stage"s, c, d);
    auto from = d.subscribe();
    check(read(from, 300).values);
    stage.stop();
    auto rest = read(from);
    EXPECT_EQ(to_string(rest.end), "completed");
    check(rest.values);
  }
  auto rest = read(c);
  EXPECT_EQ(to_string(rest.end), "completed");
  check(rest.values);

  for (int by = 1; by <= 4; ++by)
    EXPECT_EQ(last[by], 500) << "publisher " << by;
}

TEST_P(handover, of_the_end_works_too) {
  auto source = env().run<counting<int>>("source"s, a, 1, 3);
  std::vector<int> found;
  take_some(3, found);
  join(source);
  EXPECT_EQ(found, numbers(1, 3));

  auto again = env().run<passing<int>>("again"s, a, b);

  EXPECT_TRUE(read_all(b).empty());
  join(again);
  // It stays for whoever comes.
  EXPECT_EQ(to_string(a.subscribe().next_for(patience).status()), "completed");
}

TEST_P(handover, of_an_error_works_too) {
  {
    auto out = a.open_publisher();
    send_numbers(out, 1, 3);
    out.fail(std::out_of_range{"over"});
  }
  std::vector<int> found;
  take_some(2, found);

  auto again = env().run<passing<int>>("again"s, a, b);

  const auto rest = read(b);
  EXPECT_EQ(rest.values, std::vector{3});
  EXPECT_EQ(to_string(rest.end), "failed");
}

TEST_P(handover, happens_when_a_runnable_is_stopped) {
  auto source = env().run<counting<int>>("source"s, a, 1, 500);
  auto narrow = env().make_buffer<int>("narrow", 1);
  auto x = env().run<passing<int>>("x"s, a, narrow);
  auto from = narrow.subscribe();
  auto found = read(from, 20).values;

  x.stop();
  join(x);
  for (auto y : read(from).values)
    found.push_back(y);
  for (auto y : read_all(a))
    found.push_back(y);

  EXPECT_EQ(found, numbers(1, 500));
}

// -- one at a time ------------------------------------------------------------

TEST_P(handover, needs_the_first_to_go) {
  auto x = env().run<passing<int>>("x"s, a, b);
  wait_for(x);

  EXPECT_THAT(
    thrown_text<usage_error>([&] { static_cast<void>(a.subscribe()); }),
    HasSubstr("'a'"));

  EXPECT_TRUE(x.is_alive());
}

/// Whether a runnable ended because somebody else had the subscription.
void expect_refused(puma::runner& x) {
  join(x);
  ASSERT_TRUE(x.last_failure());
  EXPECT_THAT(std::string{x.last_failure()->text()},
              AllOf(HasSubstr("'a'"), HasSubstr("subscription")));
  EXPECT_THROW(x.last_failure()->rethrow(), usage_error);
}

TEST_P(handover, to_a_second_runnable_is_an_error_of_that) {
  auto x = env().run<passing<int>>("x"s, a, b);
  wait_for(x);
  auto c = env().make_buffer<int>("c", 8);
  auto y = env().run<passing<int>>("y"s, a, c);

  expect_refused(y);

  EXPECT_EQ(to_string(read(c).end), "failed");
  if (GetParam() == place::threads)
    return; // its constructor has failed, which fails all of its arguments
  auto out = a.open_publisher();
  send_numbers(out, 1, 50);
  out.complete();
  EXPECT_EQ(read_all(b), numbers(1, 50));
}

TEST_P(handover, to_a_runnable_while_the_test_subscribes_is_an_error) {
  auto here = a.subscribe();
  auto y = env().run<passing<int>>("y"s, a, b);

  expect_refused(y);

  if (GetParam() == place::threads)
    return;
  auto out = a.open_publisher();
  send_numbers(out, 1, 10);
  out.complete();
  EXPECT_EQ(read(here).values, numbers(1, 10));
}

// -- leftovers ----------------------------------------------------------------

TEST_P(handover, that_does_not_happen_leaves_values_that_are_counted) {
  {
    auto c = env().make_buffer<int>("c", 8);
    auto source = env().run<counting<int>>("source"s, c, 1, 5);
    join(source);
  }

  EXPECT_TRUE(eventually(
    [&] { return log.count(puma::log_level::warning, "5 value(s)") == 1; }))
    << log.to_string();
}

TEST_P(handover, that_does_not_happen_may_be_left_unsaid) {
  {
    auto c = env().make_buffer<int>("c", 8, {.warn_about_leftovers = false});
    auto source = env().run<counting<int>>("source"s, c, 1, 5);
    join(source);
  }
  destroy_runtime();

  EXPECT_EQ(log.count(puma::log_level::warning, "value(s)"), 0u)
    << log.to_string();
}

TEST_P(handover, of_large_values_needs_nobody_who_takes_them) {
  auto c = env().make_buffer<large>("c", 8, {.warn_about_leftovers = false});
  auto source = env().run<counting<large>>("source"s, c, 1, 5);
  join(source);
  EXPECT_TRUE(eventually([&] { return c.stats().waiting == 5; }));

  auto in = c.subscribe();
  for (int i = 1; i <= 5; ++i)
    EXPECT_EQ(*in.next_for(patience), made<large>(i));
}

TEST_P(handover, that_does_not_happen_keeps_nobody_from_ending) {
  auto c = env().make_buffer<large>("c", 2, {.warn_about_leftovers = false});
  auto source = env().run<counting<large>>("source"s, c, 1, 100);
  EXPECT_TRUE(eventually([&] { return c.stats().waiting == 2; }));

  const auto before = steady::now();
  source.stop();
  join(source);
  destroy_runtime();

  EXPECT_LT(steady::now() - before, patience);
}

} // namespace
