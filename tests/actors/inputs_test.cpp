// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <optional>
#include <string>

using namespace puma_test;
using puma::receive_status;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

namespace {

/// Has two inputs, serviced by one subscriber or by one each.
class two_inputs : public puma::multi_buffer_servicing_runnable {
 public:
  two_inputs(const int_buffer& a, const int_buffer& b, const events& to,
             bool one_subscriber)
    : multi_buffer_servicing_runnable("two inputs"),
      first_("a", to),
      second_("b", to) {
    add_input(a, first_);
    add_input(b, one_subscriber ? first_ : second_);
  }

 private:
  recording_subscriber first_;
  recording_subscriber second_;
};

/// Passes on what comes on two inputs.
class joining : public puma::multi_buffer_servicing_runnable {
 public:
  joining(const int_buffer& a, const int_buffer& b, const int_buffer& out)
    : multi_buffer_servicing_runnable("joining"),
      to_{publish_to(out)} {
    add_input(a, to_);
    add_input(b, to_);
  }

 private:
  struct passing : puma::subscriber<int> {
    explicit passing(puma::publisher<int> x) : out(std::move(x)) {}
    void on_value(int& x) override { out.publish(x); }
    puma::publisher<int> out;
  };

  passing to_;
};

class inputs : public environment_test {
 protected:
  int_buffer a = env().make_buffer<int>("a", 8);
  int_buffer b = env().make_buffer<int>("b", 8);
  int_buffer out = env().make_buffer<int>("out", 16);
  events seen;
};

INSTANTIATE_TEST_SUITE_P(, inputs, any_hosting, with_hosting);

TEST_P(inputs, come_in_order) {
  auto x = run<stage>("stage", a, std::vector{out});

  stream_all(a, 1, 8);

  EXPECT_EQ(rest_of(out), numbers_to(8));
}

TEST_P(inputs, that_were_published_before_the_start_are_serviced) {
  stream_all(a, 1, 8);

  auto x = run<stage>("stage", a, std::vector{out});

  EXPECT_EQ(rest_of(out), numbers_to(8));
}

TEST_P(inputs, go_to_a_subscriber_each) {
  auto x = run<two_inputs>(a, b, seen, false);

  stream_all(a, 1, 1);
  stream_all(b, 2, 2);
  x.join();

  EXPECT_THAT(seen.entries(),
              UnorderedElementsAre("a: value 1", "a: complete", "b: value 2",
                                   "b: complete"));
}

TEST_P(inputs, may_share_a_subscriber_which_is_told_of_each_end) {
  auto x = run<two_inputs>(a, b, seen, true);

  stream_all(a, 1, 1);
  stream_all(b, 2, 2);
  x.join();

  EXPECT_THAT(seen.entries(),
              UnorderedElementsAre("a: value 1", "a: complete", "a: value 2",
                                   "a: complete"));
}

TEST_P(inputs, end_when_they_end_and_not_when_the_runnable_does) {
  auto still_open = b.open_publisher();
  auto x = run<two_inputs>(a, b, seen, false);

  stream_all(a, 1, 0);

  EXPECT_TRUE(eventually([&] { return seen.has("a: complete"); }));
  EXPECT_TRUE(x.is_alive());
  EXPECT_THAT(seen.entries(), ElementsAre("a: complete"));
}

TEST_P(inputs, end_once) {
  auto x = run<two_inputs>(a, b, seen, false);
  stream_all(a, 1, 0);
  ASSERT_TRUE(eventually([&] { return seen.has("a: complete"); }));

  x.stop();
  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre("a: complete", "b: complete"));
}

TEST_P(inputs, complete_the_outputs_when_the_last_one_has_completed) {
  auto x = run<joining>(a, b, out);
  stream_all(a, 1, 1);
  auto in = out.subscribe();
  ASSERT_EQ(in.next(), 1);

  publish_all(b, 2, 2);
  EXPECT_EQ(in.next(), 2);
  EXPECT_EQ(in.try_next().status(), receive_status::empty);
  stream_all(b, 3, 3);

  EXPECT_EQ(in.next(), 3);
  EXPECT_EQ(in.next(), std::nullopt);
}

TEST_P(inputs, fail_the_outputs_at_once) {
  auto x = run<joining>(a, b, out);
  auto still_open = b.open_publisher();

  a.open_publisher().fail(sensor_broken{4});

  auto in = out.subscribe();
  EXPECT_THROW(static_cast<void>(in.next()), sensor_broken);
}

TEST_P(inputs, have_all_to_end_before_the_runnable_does) {
  auto x = run<two_inputs>(a, b, seen, false);
  stream_all(a, 1, 0);
  ASSERT_TRUE(eventually([&] { return seen.has("a: complete"); }));
  ASSERT_TRUE(x.is_alive());

  stream_all(b, 1, 0);
  x.join();

  EXPECT_FALSE(x.is_alive());
}

TEST_P(inputs, are_free_for_others_when_the_runnable_has_ended) {
  auto x = run<two_inputs>(a, b, seen, false);
  x.wait_until_running();
  x.stop();
  x.join();
  stream_all(a, 1, 1);

  EXPECT_THAT(rest_of(a), ElementsAre(1));
  EXPECT_THAT(b.subscribe().try_next().status(), receive_status::empty);
}

} // namespace
