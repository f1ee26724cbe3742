// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/distributor.hpp"

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using puma::distribution;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

namespace {

using distribute = puma::distributor<int>;

class a_distributor : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 64);
  int_buffer a = env().make_buffer<int>("a", 64);
  int_buffer b = env().make_buffer<int>("b", 64);
  int_buffer c = env().make_buffer<int>("c", 64);
};

INSTANTIATE_TEST_SUITE_P(, a_distributor, any_hosting, with_hosting);

TEST_P(a_distributor, gives_values_to_its_outputs_in_turn) {
  auto x = run<distribute>("spread", in, std::vector{a, b, c});

  stream_all(in, 1, 7);

  EXPECT_THAT(rest_of(a), ElementsAre(1, 4, 7));
  EXPECT_THAT(rest_of(b), ElementsAre(2, 5));
  EXPECT_THAT(rest_of(c), ElementsAre(3, 6));
}

TEST_P(a_distributor, takes_values_that_cannot_be_copied) {
  using boxed = std::unique_ptr<int>;
  auto from = env().make_buffer<boxed>("from", 4);
  auto to = env().make_buffer<boxed>("to", 4);
  auto x = run<puma::distributor<boxed>>("spread", from, std::vector{to});

  auto out = from.open_publisher();
  out.publish(std::make_unique<int>(7));
  out.complete();

  const auto all = rest_of(to);
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(*all.front(), 7);
}

TEST_P(a_distributor, waits_for_the_output_whose_turn_it_is) {
  auto small = env().make_buffer<int>("small", 1);
  auto x = run<distribute>("spread", in, std::vector{a, small});
  auto from = small.subscribe();
  stream_all(in, 1, 20);

  for (int i = 2; i <= 20; i += 2)
    EXPECT_EQ(from.next(), i);
  EXPECT_EQ(from.next(), std::nullopt);
  EXPECT_THAT(rest_of(a), SizeIs(10));
}

TEST_P(a_distributor, gives_values_to_the_output_in_which_the_fewest_wait) {
  auto hold = a.open_publisher();
  for (int i = 0; i != 10; ++i)
    hold.publish(0);
  hold.close();
  auto x = run<distribute>("spread", in, std::vector{a, b},
                           distribution::least_loaded);

  stream_all(in, 1, 14);
  x.join();

  // Ten to the empty one, and the others in turn.
  EXPECT_THAT(rest_of(b), SizeIs(12));
  EXPECT_THAT(rest_of(a), SizeIs(12));
  EXPECT_EQ(a.stats().accepted, 12u);
}

TEST_P(a_distributor, does_not_wait_for_a_full_output_while_others_have_room) {
  // Nobody takes from `a`.
  a = env().make_buffer<int>("a", 4);
  b = env().make_buffer<int>("b", 4);
  auto x = run<distribute>("spread", in, std::vector{a, b},
                           distribution::least_loaded);
  auto source = env().run<counting_source>("source", std::vector{in}, 2000);
  auto from = b.subscribe();

  int count = 0;
  while (from.next())
    ++count;

  EXPECT_EQ(count + static_cast<int>(a.stats().accepted), 2000);
  EXPECT_LE(a.stats().accepted, 4u);
}

TEST_P(a_distributor, goes_on_with_the_output_that_has_room_first) {
  for (const int first : {0, 1}) {
    std::vector to{env().make_buffer<int>("a", 2),
                   env().make_buffer<int>("b", 2)};
    auto from = env().make_buffer<int>("from", 16);
    auto x = run<distribute>("spread", from, to, distribution::least_loaded);
    publish_all(from, 1, 8);
    ASSERT_TRUE(eventually(
      [&] { return to[0].stats().accepted + to[1].stats().accepted == 4; }));

    // Nobody takes from the other one.
    auto in_use = to[static_cast<std::size_t>(first)].subscribe();
    for (int i = 0; i != 6; ++i)
      EXPECT_TRUE(in_use.next());
    from.open_publisher().complete();
    EXPECT_EQ(in_use.next(), std::nullopt);
    x.join();
    EXPECT_EQ(to[static_cast<std::size_t>(1 - first)].stats().waiting, 2u);
  }
}

TEST_P(a_distributor, goes_on_with_an_output_that_comes_when_all_are_full) {
  a = env().make_buffer<int>("a", 1);
  auto x = run<distribute>("spread", in, std::vector{a},
                           distribution::least_loaded);
  publish_all(in, 1, 3);
  ASSERT_TRUE(eventually([&] { return in.stats().taken == 2; }));

  x.call<&distribute::add_output>(b);

  auto from = b.subscribe();
  EXPECT_EQ(from.next(), 2);
  EXPECT_EQ(from.next(), 3);
}

TEST_P(a_distributor, does_not_wait_for_an_output_that_others_have_failed) {
  a = env().make_buffer<int>("a", 1);
  b = env().make_buffer<int>("b", 1);
  auto x = run<distribute>("spread", in, std::vector{a, b},
                           distribution::least_loaded);
  publish_all(in, 1, 4);
  ASSERT_TRUE(eventually([&] { return in.stats().taken == 3; }));

  a.open_publisher().fail(sensor_broken{1});

  auto from = b.subscribe();
  std::vector<int> all;
  while (all.size() != 3)
    all.push_back(from.next().value());
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(all.back(), 4);
}

TEST_P(a_distributor, says_that_it_was_stopped_with_a_value_in_hand) {
  a = env().make_buffer<int>("a", 1);
  auto x = run<distribute>("spread", in, std::vector{a},
                           distribution::least_loaded);
  publish_all(in, 1, 3);
  ASSERT_TRUE(eventually([&] { return in.stats().taken == 2; }));

  x.stop();
  x.join();

  EXPECT_EQ(log.count(puma::log_level::warning, "ends with a value in hand"),
            1u);
  EXPECT_EQ(in.stats().waiting, 1u);
}

TEST_P(a_distributor, gives_values_with_the_same_key_to_the_same_output) {
  auto x = run(puma::distribute_by("by key", in, std::vector{a, b, c},
                                   [](const int& i) { return i % 10; }));

  stream_all(in, 0, 63);

  std::map<int, char> owners;
  std::size_t total = 0;
  for (auto& [name, from] : {std::pair{'a', a}, {'b', b}, {'c', c}}) {
    const auto all = rest_of(from);
    total += all.size();
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
    for (const int i : all)
      EXPECT_EQ(owners.try_emplace(i % 10, name).first->second, name) << i;
  }
  EXPECT_EQ(total, 64u);
}

TEST_P(a_distributor, moves_no_keys_but_those_of_outputs_that_come_or_go) {
  auto x = run(puma::distribute_by("by key", in, std::vector{a, b},
                                   [](const int& i) { return i; }));
  auto out = in.open_publisher();
  const auto owners = [&](std::map<char, int_buffer*> all) {
    std::map<int, char> result;
    std::map<char, std::uint64_t> before;
    for (auto& [name, y] : all)
      before[name] = y->stats().accepted;
    for (int i = 0; i != 20; ++i)
      out.publish(i);
    EXPECT_TRUE(eventually([&] {
      std::uint64_t sum = 0;
      for (auto& [name, y] : all)
        sum += y->stats().accepted - before[name];
      return sum == 20;
    }));
    for (auto& [name, y] : all) {
      auto from = y->subscribe();
      while (auto i = from.try_next())
        result[*i] = name;
    }
    return result;
  };

  const auto two = owners({{'a', &a}, {'b', &b}});
  x.call<&distribute::add_output>(c);
  const auto three = owners({{'a', &a}, {'b', &b}, {'c', &c}});
  int moved = 0;
  for (auto& [key, name] : two)
    if (three.at(key) != name) {
      EXPECT_EQ(three.at(key), 'c');
      ++moved;
    }
  EXPECT_GT(moved, 0);
  EXPECT_LT(moved, 20);

  x.call<&distribute::remove_output>(c);
  EXPECT_EQ(owners({{'a', &a}, {'b', &b}}), two);
}

TEST_P(a_distributor, takes_outputs_while_it_runs) {
  auto x = run<distribute>("spread", in, std::vector{a});
  auto out = in.open_publisher();
  auto from_a = a.subscribe();
  auto from_b = b.subscribe();
  out.publish(1);
  EXPECT_EQ(from_a.next(), 1);

  x.call<&distribute::add_output>(b);
  EXPECT_EQ(x.call<&distribute::output_count>(), 2u);
  out.publish(2);
  out.publish(3);

  EXPECT_EQ(from_b.next(), 2);
  EXPECT_EQ(from_a.next(), 3);
}

TEST_P(a_distributor, completes_an_output_that_it_loses) {
  auto x = run<distribute>("spread", in, std::vector{a, b});
  auto out = in.open_publisher();
  out.publish(1);
  out.publish(2);
  ASSERT_TRUE(eventually([&] { return b.stats().waiting == 1; }));

  x.call<&distribute::remove_output>(b);
  out.publish(3);
  out.complete();

  EXPECT_THAT(rest_of(b), ElementsAre(2));
  EXPECT_THAT(rest_of(a), ElementsAre(1, 3));
}

TEST_P(a_distributor, gives_the_value_to_another_output_when_one_goes) {
  // A dedicated one waits for room in the output that it loses.
  auto small = env().make_buffer<int>("small", 1);
  auto x = run<distribute>("spread", in, std::vector{small, a});
  auto out = in.open_publisher();
  for (int i = 1; i <= 5; ++i)
    out.publish(i);
  ASSERT_TRUE(eventually([&] { return small.stats().waiting == 1; }));

  x.call<&distribute::remove_output>(small);
  out.complete();

  auto all = rest_of(a);
  const auto others = rest_of(small);
  all.insert(all.end(), others.begin(), others.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers_to(5));
}

TEST_P(a_distributor, refuses_what_does_not_fit_its_outputs) {
  auto x = run<distribute>("spread", in, std::vector{a});

  EXPECT_EQ(usage_error_text([&] { x.call<&distribute::add_output>(a); }),
            "runnable 'spread': buffer 'a' is one of its outputs already");
  EXPECT_EQ(usage_error_text([&] { x.call<&distribute::remove_output>(b); }),
            "runnable 'spread': buffer 'b' is not one of its outputs");
  EXPECT_EQ(usage_error_text([&] { x.call<&distribute::remove_output>(a); }),
            "runnable 'spread': buffer 'a' is its last output; add another one "
            "first");
  EXPECT_TRUE(x.is_alive());
}

TEST_P(a_distributor, needs_an_output) {
  auto x = run<distribute>("spread", in, std::vector<int_buffer>{});

  EXPECT_EQ(usage_error_text([&] { x.wait_until_running(); }),
            "runnable 'spread': a distributor needs at least one output");
}

TEST_P(a_distributor, fails_all_outputs_at_an_error_of_its_input) {
  auto x = run<distribute>("spread", in, std::vector{a, b});
  in.open_publisher().fail(sensor_broken{1});

  EXPECT_THROW(rest_of(a), sensor_broken);
  EXPECT_THROW(rest_of(b), sensor_broken);
  x.join();
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_distributor, goes_on_without_an_output_that_others_have_failed) {
  auto x = run<distribute>("spread", in, std::vector{a, b});
  x.wait_until_running();
  b.open_publisher().fail(sensor_broken{1});

  stream_all(in, 1, 4);

  EXPECT_THAT(rest_of(a), ElementsAre(1, 2, 3, 4));
}

TEST_P(a_distributor, stops_when_others_have_failed_all_its_outputs) {
  auto x = run<distribute>("spread", in, std::vector{a});
  x.wait_until_running();
  a.open_publisher().fail(sensor_broken{1});
  publish_all(in, 1, 3);

  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_EQ(log.count(puma::log_level::warning, "all of its outputs"), 1u);
  EXPECT_EQ(in.stats().waiting, 2u);
}

} // namespace
