// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/multicaster.hpp"

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using puma::when_full;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

using cast = puma::multicaster<int>;

/// A value that counts how often values have been copied.
struct counted {
  counted(int n, std::shared_ptr<std::atomic<int>> to)
    : number(n),
      copies(std::move(to)) {}

  counted(const counted& x) : number(x.number), copies(x.copies) { ++*copies; }
  counted(counted&&) noexcept = default;
  counted& operator=(counted&&) noexcept = default;

  int number;
  std::shared_ptr<std::atomic<int>> copies;
};

class a_multicaster : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 64);
  int_buffer a = env().make_buffer<int>("a", 64);
  int_buffer b = env().make_buffer<int>("b", 64);
  int_buffer c = env().make_buffer<int>("c", 64);
};

INSTANTIATE_TEST_SUITE_P(, a_multicaster, any_hosting, with_hosting);

TEST_P(a_multicaster, gives_each_value_to_every_output) {
  auto x = run<cast>("cast", in, std::vector{a, b, c});

  stream_all(in, 1, 50);

  EXPECT_EQ(rest_of(a), numbers_to(50));
  EXPECT_EQ(rest_of(b), numbers_to(50));
  EXPECT_EQ(rest_of(c), numbers_to(50));
  x.join();
}

TEST_P(a_multicaster, makes_one_copy_less_than_it_has_outputs) {
  for (const int outputs : {1, 2, 4}) {
    const auto copies = std::make_shared<std::atomic<int>>(0);
    auto from = env().make_buffer<counted>("from", 16);
    std::vector<puma::buffer<counted>> to;
    for (int i = 0; i != outputs; ++i)
      to.push_back(env().make_buffer<counted>("to", 16));
    auto x = run<puma::multicaster<counted>>("cast", from, to);

    auto out = from.open_publisher();
    for (int i = 0; i != 10; ++i)
      out.publish(counted{i, copies});
    out.complete();
    x.join();

    EXPECT_EQ(*copies, 10 * (outputs - 1));
    for (auto& y : to)
      EXPECT_EQ(rest_of(y).size(), 10u);
  }
}

TEST_P(a_multicaster, shares_values_that_are_shared) {
  using shared = std::shared_ptr<const std::string>;
  auto from = env().make_buffer<shared>("from", 4);
  std::vector to{env().make_buffer<shared>("to", 4),
                 env().make_buffer<shared>("to", 4)};
  auto x = run<puma::multicaster<shared>>("cast", from, to);

  const auto text = std::make_shared<const std::string>("the same");
  auto out = from.open_publisher();
  out.publish(text);
  out.complete();
  x.join();

  for (auto& y : to)
    EXPECT_THAT(rest_of(y), ElementsAre(text));
}

TEST_P(a_multicaster, takes_outputs_while_it_runs) {
  auto x = run<cast>("cast", in, std::vector{a});
  auto first = a.subscribe();
  auto out = in.open_publisher();
  out.publish(1);
  EXPECT_EQ(first.next(), 1);

  x.call<&cast::add_output>(b, when_full::block);
  EXPECT_EQ(x.call<&cast::output_count>(), 2u);
  out.publish(2);
  out.complete();

  EXPECT_EQ(first.next(), 2);
  EXPECT_EQ(first.next(), std::nullopt);
  EXPECT_THAT(rest_of(b), ElementsAre(2));
}

TEST_P(a_multicaster, completes_an_output_that_it_loses) {
  auto x = run<cast>("cast", in, std::vector{a, b});
  auto first = a.subscribe();
  auto out = in.open_publisher();
  out.publish(1);
  EXPECT_EQ(first.next(), 1);

  x.call<&cast::remove_output>(b);
  EXPECT_THAT(rest_of(b), ElementsAre(1));

  out.publish(2);
  out.complete();
  EXPECT_EQ(first.next(), 2);
  EXPECT_EQ(first.next(), std::nullopt);
}

TEST_P(a_multicaster, takes_an_output_again_whose_stream_was_held_open) {
  auto x = run<cast>("cast", in, std::vector{a});
  auto hold = a.open_publisher();
  auto from = a.subscribe();
  auto out = in.open_publisher();
  out.publish(1);
  EXPECT_EQ(from.next(), 1);

  x.call<&cast::remove_output>(a);
  out.publish(2);
  ASSERT_TRUE(eventually([&] { return in.stats().taken == 2; }));
  x.call<&cast::add_output>(a, when_full::block);
  out.publish(3);

  EXPECT_EQ(from.next(), 3);
}

TEST_P(a_multicaster, refuses_an_output_that_it_has) {
  auto x = run<cast>("cast", in, std::vector{a});

  EXPECT_EQ(
    usage_error_text([&] { x.call<&cast::add_output>(a, when_full::warn); }),
    "runnable 'cast': buffer 'a' is one of its outputs already");

  stream_all(in, 1, 2);
  EXPECT_THAT(rest_of(a), ElementsAre(1, 2));
}

TEST_P(a_multicaster, refuses_the_same_output_twice_at_its_start) {
  auto x = run<cast>("cast", in, std::vector{a, a});

  EXPECT_THAT(usage_error_text([&] { x.wait_until_running(); }),
              HasSubstr("buffer 'a' is one of its outputs already"));
}

TEST_P(a_multicaster, cannot_lose_an_output_that_it_does_not_have) {
  auto x = run<cast>("cast", in, std::vector{a});

  EXPECT_EQ(usage_error_text([&] { x.call<&cast::remove_output>(b); }),
            "runnable 'cast': buffer 'b' is not one of its outputs");
  EXPECT_TRUE(x.is_alive());
}

TEST_P(a_multicaster, refuses_an_output_whose_stream_has_ended) {
  auto x = run<cast>("cast", in, std::vector{a});
  b.open_publisher().complete();

  EXPECT_EQ(
    usage_error_text([&] { x.call<&cast::add_output>(b, when_full::block); }),
    "runnable 'cast': buffer 'b' cannot be an output: its stream has "
    "ended already");
  EXPECT_EQ(x.call<&cast::output_count>(), 1u);
}

TEST_P(a_multicaster, discards_and_counts_values_without_outputs) {
  auto x = run<cast>("cast", in);
  auto out = in.open_publisher();
  for (int i = 1; i <= 5; ++i)
    out.publish(i);
  ASSERT_TRUE(eventually([&] { return in.stats().taken == 5; }));

  EXPECT_EQ(x.call<&cast::discarded>(), 5u);
  EXPECT_EQ(log.count(puma::log_level::debug, "has no outputs"), 1u);
  out.complete();
  x.join();
}

TEST_P(a_multicaster, waits_for_an_output_that_blocks) {
  auto small = env().make_buffer<int>("small", 1);
  auto x = run<cast>("cast", in, std::vector{a, small});
  stream_all(in, 1, 50);

  EXPECT_EQ(rest_of(small), numbers_to(50));
  EXPECT_EQ(rest_of(a), numbers_to(50));
}

TEST_P(a_multicaster, drops_what_an_output_has_no_room_for) {
  using output = puma::multicast_output<int>;
  for (const auto how : {when_full::warn, when_full::drop_newest}) {
    auto from = env().make_buffer<int>("from", 64);
    auto to = env().make_buffer<int>("to", 64);
    auto small = env().make_buffer<int>("small", 2);
    auto x = run<cast>("cast", from,
                       std::vector{output{to}, output{small, how}});
    stream_all(from, 1, 10);
    x.join();

    EXPECT_EQ(rest_of(to), numbers_to(10));
    EXPECT_THAT(rest_of(small), ElementsAre(1, 2));
    EXPECT_EQ(small.stats().dropped_newest, 8u);
  }
}

TEST_P(a_multicaster, ends_at_an_output_that_fails_after_the_others_had_it) {
  using output = puma::multicast_output<int>;
  auto small = env().make_buffer<int>("small", 2);
  auto x = run<cast>(
    "cast", in,
    std::vector{output{a}, output{small, when_full::fail}, output{b}});
  publish_all(in, 1, 10);
  x.join();

  // The value that was too much is there, and none that came later.
  for (auto& y : {a, b}) {
    auto from = y.subscribe();
    for (int i = 1; i <= 3; ++i)
      EXPECT_EQ(from.next(), i);
    EXPECT_THAT(
      text_of<puma::buffer_full>([&] { static_cast<void>(from.next()); }),
      HasSubstr("buffer 'small'"));
  }
  auto from = small.subscribe();
  EXPECT_EQ(from.next(), 1);
  EXPECT_EQ(from.next(), 2);
  EXPECT_THROW(static_cast<void>(from.next()), puma::buffer_full);
  EXPECT_EQ(in.stats().waiting, 7u);
}

TEST_P(a_multicaster, takes_values_one_by_one_from_an_output_that_fails_on) {
  auto small = env().make_buffer<int>("small", 2);
  auto x = run<cast>("cast", in, std::vector{a});
  auto first = a.subscribe();
  publish_all(in, 1, 3);
  for (int i = 1; i <= 3; ++i)
    EXPECT_EQ(first.next(), i);

  x.call<&cast::add_output>(small, when_full::fail);
  publish_all(in, 4, 10);
  x.join();

  for (int i = 4; i <= 6; ++i)
    EXPECT_EQ(first.next(), i);
  EXPECT_THROW(static_cast<void>(first.next()), puma::buffer_full);
  EXPECT_EQ(in.stats().waiting, 4u);
}

TEST_P(a_multicaster, completes_all_outputs_though_one_is_full) {
  using output = puma::multicast_output<int>;
  auto small = env().make_buffer<int>("small", 1);
  auto x = run<cast>(
    "cast", in, std::vector{output{small, when_full::drop_newest}, output{a}});
  stream_all(in, 1, 3);

  EXPECT_EQ(rest_of(a), numbers_to(3));
  EXPECT_THAT(rest_of(small), ElementsAre(1));
}

TEST_P(a_multicaster, fails_all_outputs_though_one_is_full) {
  using output = puma::multicast_output<int>;
  auto small = env().make_buffer<int>("small", 1);
  auto x = run<cast>(
    "cast", in, std::vector{output{small, when_full::drop_newest}, output{a}});
  auto out = in.open_publisher();
  out.publish(1);
  out.publish(2);
  out.fail(sensor_broken{1});
  x.join();

  for (auto& y : {small, a}) {
    auto from = y.subscribe();
    EXPECT_THROW(
      {
        while (from.next()) {
        }
      },
      sensor_broken);
  }
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_multicaster, leaves_an_output_out_that_others_have_failed) {
  auto x = run<cast>("cast", in, std::vector{a, b});
  auto first = a.subscribe();
  auto out = in.open_publisher();
  out.publish(1);
  EXPECT_EQ(first.next(), 1);

  b.open_publisher().fail(sensor_broken{1});
  out.publish(2);
  EXPECT_EQ(first.next(), 2);
  out.publish(3);
  EXPECT_EQ(first.next(), 3);

  EXPECT_EQ(x.call<&cast::output_count>(), 1u);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_multicaster, gets_and_loses_outputs_while_values_flow) {
  constexpr int last = 20'000;
  auto x = run<cast>("cast", in, std::vector{a});
  auto make = env().run<counting_source>("source", std::vector{in}, last);
  numbers seen;
  auto sink = env().run(
    puma::for_each("sink", a, [seen](int i) { seen.add(i); }));

  for (int i = 0; i != 20; ++i) {
    auto more = env().make_buffer<int>("more", 4);
    try {
      x.call<&cast::add_output>(more, when_full::block);
      auto from = more.subscribe();
      const auto start = from.next().value_or(last);
      EXPECT_EQ(from.next().value_or(start + 1), start + 1);
      from.unsubscribe();
      x.call<&cast::remove_output>(more);
    } catch (const puma::runnable_ended&) {
      break; // all values are through
    }
  }

  sink.join();
  EXPECT_EQ(seen.entries(), numbers_to(last));
}

} // namespace
