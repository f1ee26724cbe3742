// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/merger.hpp"

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace puma_test;
using puma::merging;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

using merge = puma::merger<int>;

/// Lets two inputs rest and go on by calls.
class resting : public puma::multi_buffer_servicing_runnable {
 public:
  resting(const int_buffer& a, const int_buffer& b, const int_buffer& out)
    : multi_buffer_servicing_runnable("resting"),
      to_(*this, publish_to(out)) {
    add_input(a, to_);
    add_input(b, to_);
  }

  void hold(std::size_t number) { hold_input(number); }
  void resume(std::size_t number) { resume_input(number); }

 private:
  /// Lets the first input rest after each value.
  struct passing : puma::subscriber<int> {
    passing(resting& of, puma::publisher<int> x)
      : owner(of),
        out(std::move(x)) {}

    void on_value(int& x) override {
      out.publish(x);
      owner.hold_input(0);
    }

    resting& owner;
    puma::publisher<int> out;
  };

  passing to_;
};

class a_merger : public environment_test {
 protected:
  int_buffer a = env().make_buffer<int>("a", 16);
  int_buffer b = env().make_buffer<int>("b", 16);
  int_buffer c = env().make_buffer<int>("c", 16);
  int_buffer out = env().make_buffer<int>("out", 64);
};

INSTANTIATE_TEST_SUITE_P(, a_merger, any_hosting, with_hosting);

TEST_P(a_merger, publishes_the_values_of_all_inputs) {
  auto x = run<merge>("merge", std::vector{a, b, c}, out);

  stream_all(a, 1, 10);
  stream_all(b, 11, 20);
  stream_all(c, 21, 30);

  auto all = rest_of(out);
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, numbers_to(30));
}

TEST_P(a_merger, publishes_values_as_they_come) {
  auto x = run<merge>("merge", std::vector{a, b}, out);
  auto from = out.subscribe();
  auto to_a = a.open_publisher();
  auto to_b = b.open_publisher();

  for (const int i : {1, 2, 3}) {
    to_b.publish(i);
    EXPECT_EQ(from.next(), i);
  }
  to_a.publish(4);
  EXPECT_EQ(from.next(), 4);
}

TEST_P(a_merger, keeps_the_order_of_each_input) {
  auto x = run<merge>("merge", std::vector{a, b}, out);
  auto odd = env().run<counting_source>("odd", std::vector{a}, 1000);
  stream_all(b, -16, -1);

  const auto all = rest_of(out);
  std::vector<int> positive;
  std::vector<int> negative;
  for (const int i : all)
    (i > 0 ? positive : negative).push_back(i);
  EXPECT_EQ(positive, numbers_to(1000));
  EXPECT_EQ(negative, numbers_to(-1, -16));
}

TEST_P(a_merger, completes_its_output_after_the_last_input) {
  auto x = run<merge>("merge", std::vector{a, b}, out);
  auto from = out.subscribe();
  stream_all(a, 1, 1);
  EXPECT_EQ(from.next(), 1);
  EXPECT_TRUE(x.is_alive());

  stream_all(b, 2, 2);

  EXPECT_EQ(from.next(), 2);
  EXPECT_EQ(from.next(), std::nullopt);
}

TEST_P(a_merger, fails_its_output_at_the_error_of_an_input) {
  auto x = run<merge>("merge", std::vector{a, b}, out);

  b.open_publisher().fail(sensor_broken{1});

  EXPECT_THROW(rest_of(out), sensor_broken);
  x.join();
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_merger, takes_one_from_each_input_in_turn) {
  stream_all(c, 21, 23);
  stream_all(b, 11, 13);
  stream_all(a, 1, 3);
  auto x = run<merge>("merge", std::vector{a, b, c}, out, merging::round_robin);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 11, 21, 2, 12, 22, 3, 13, 23));
}

TEST_P(a_merger, waits_for_the_input_whose_turn_it_is) {
  auto x = run<merge>("merge", std::vector{a, b}, out, merging::round_robin);
  auto from = out.subscribe();
  auto to_a = a.open_publisher();
  auto to_b = b.open_publisher();
  to_b.publish(11);
  to_b.publish(12);

  ASSERT_TRUE(eventually([] { return true; }));
  EXPECT_FALSE(from.try_next());
  to_a.publish(1);
  EXPECT_EQ(from.next(), 1);
  EXPECT_EQ(from.next(), 11);
  EXPECT_FALSE(from.try_next());
  to_a.publish(2);
  EXPECT_EQ(from.next(), 2);
  EXPECT_EQ(from.next(), 12);
}

TEST_P(a_merger, leaves_the_values_of_inputs_that_wait_in_their_buffers) {
  auto x = run<merge>("merge", std::vector{a, b}, out, merging::round_robin);
  x.wait_until_running();

  // Nothing is taken from `b` beyond its capacity while it is `a`'s turn.
  auto to_b = b.open_publisher();
  for (int i = 0; i != 16; ++i)
    to_b.publish(i);
  ASSERT_TRUE(eventually([] { return true; }));
  EXPECT_EQ(to_b.try_publish(16), puma::publish_result::full);
}

TEST_P(a_merger, leaves_out_inputs_that_have_ended) {
  stream_all(a, 1, 1);
  stream_all(b, 11, 13);
  stream_all(c, 21, 22);
  auto x = run<merge>("merge", std::vector{a, b, c}, out, merging::round_robin);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 11, 21, 12, 22, 13));
}

TEST_P(a_merger, completes_when_all_inputs_were_empty) {
  for (const auto how : {merging::fifo, merging::round_robin}) {
    std::vector<int_buffer> from;
    for (int i = 0; i != 3; ++i) {
      from.push_back(env().make_buffer<int>("from", 1));
      from.back().open_publisher().complete();
    }
    auto to = env().make_buffer<int>("to", 1);
    auto x = run<merge>("merge", from, to, how);

    EXPECT_THAT(rest_of(to), IsEmpty());
  }
}

TEST_P(a_merger, passes_an_error_on_in_turn) {
  stream_all(a, 1, 3);
  auto to_b = b.open_publisher();
  to_b.publish(11);
  to_b.fail(sensor_broken{1});
  auto x = run<merge>("merge", std::vector{a, b}, out, merging::round_robin);
  auto from = out.subscribe();

  EXPECT_EQ(from.next(), 1);
  EXPECT_EQ(from.next(), 11);
  EXPECT_EQ(from.next(), 2);
  EXPECT_THROW(static_cast<void>(from.next()), sensor_broken);
}

TEST_P(a_merger, takes_turns_through_buffers_of_any_size) {
  constexpr int each = 1000;
  for (const std::size_t inner : {1u, 3u, 600u}) {
    std::vector<int_buffer> from;
    std::vector<puma::runner> sources;
    for (int i = 0; i != 3; ++i) {
      from.push_back(env().make_buffer<int>("from", inner));
      sources.push_back(
        env().run<counting_source>("source", std::vector{from.back()}, each));
    }
    auto to = env().make_buffer<int>("to", 2);
    auto x = run<merge>("merge", from, to, merging::round_robin);

    std::vector<int> expected;
    for (int i = 1; i <= each; ++i)
      expected.insert(expected.end(), 3, i);
    EXPECT_EQ(rest_of(to), expected);
  }
}

TEST_P(a_merger, needs_an_input) {
  auto x = run<merge>("merge", std::vector<int_buffer>{}, out);

  EXPECT_THAT(usage_error_text([&] { rest_of(out); }),
              HasSubstr("runnable 'merge': needs at least one input"));
}

TEST_P(a_merger, refuses_an_input_twice) {
  auto x = run<merge>("merge", std::vector{a, a}, out, merging::round_robin);

  EXPECT_THAT(usage_error_text([&] { x.wait_until_running(); }),
              HasSubstr("buffer 'a': is an input of this runnable already"));
}

// -- inputs that rest ---------------------------------------------------------

TEST_P(a_merger, can_let_an_input_rest_until_a_call_resumes_it) {
  auto x = run<resting>(a, b, out);
  auto from = out.subscribe();
  stream_all(a, 1, 3);

  EXPECT_EQ(from.next(), 1);
  stream_all(b, 11, 12);
  EXPECT_EQ(from.next(), 11);
  EXPECT_EQ(from.next(), 12);
  EXPECT_FALSE(from.try_next());
  for (const int i : {2, 3}) {
    x.call<&resting::resume>(0u);
    EXPECT_EQ(from.next(), i);
  }
  EXPECT_TRUE(x.is_alive());

  // The end rests, too.
  x.call<&resting::resume>(0u);
  EXPECT_EQ(from.next(), std::nullopt);
}

TEST_P(a_merger, cannot_let_an_input_rest_that_is_not_there) {
  auto x = run<resting>(a, b, out);

  EXPECT_EQ(usage_error_text([&] { x.call<&resting::hold>(2u); }),
            "runnable 'resting': has no input with number 2");
  EXPECT_EQ(usage_error_text([&] { x.call<&resting::resume>(7u); }),
            "runnable 'resting': has no input with number 7");
}

} // namespace
