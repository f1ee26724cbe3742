// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

using namespace puma_test;
using puma::when_full;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

/// For pooled runnables only: those never wait.
class backpressure : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 256);
  int_buffer out = env().make_buffer<int>("out", 2);

  /// Publishes `x` values in one hook; returns how many were accepted before
  /// the first exception.
  int accepted_in_one_hook(puma::publish_options options, int x) {
    std::atomic<int> accepted = 0;
    auto one = env().run<stage>(
      "burst", in, std::vector<int_buffer>{},
      script{
        .on_start =
          [&](stage& self) { self.outs.open(self.publish_to(out, options)); },
        .on_value =
          [&](stage& self, int&) {
            for (int i = 0; i != x; ++i, ++accepted)
              self.outs[0].publish(i);
          }});
    publish_all(in, 1, 1);
    EXPECT_TRUE(eventually([&] { return in.stats().waiting == 0; }));
    one.stop();
    one.join();
    failure_ = one.last_failure();
    return accepted;
  }

  std::optional<puma::failure> failure_;
};

INSTANTIATE_TEST_SUITE_P(, backpressure, no_hosting, without_hosting);

// -- the outbox ---------------------------------------------------------------

TEST_P(backpressure, lets_one_hook_publish_beyond_the_room_up_to_its_outbox) {
  EXPECT_EQ(accepted_in_one_hook({.outbox = 5}, 7), 7);

  EXPECT_FALSE(failure_);
}

TEST_P(backpressure, throws_where_a_hook_publishes_more_than_its_outbox_holds) {
  EXPECT_EQ(accepted_in_one_hook({.outbox = 5}, 8), 7);

  ASSERT_TRUE(failure_);
  EXPECT_THROW(failure_->rethrow(), puma::buffer_full);
  EXPECT_THAT(std::string{failure_->text()}, HasSubstr("'out'"));
}

TEST_P(backpressure, holds_16_values_in_the_outbox_of_a_small_buffer) {
  EXPECT_EQ(accepted_in_one_hook({}, 100), 2 + 16);
}

TEST_P(backpressure, delivers_what_was_in_the_outbox_of_an_ended_runnable) {
  EXPECT_EQ(accepted_in_one_hook({.outbox = 5}, 7), 7);

  EXPECT_EQ(rest_of(out), numbers_to(6, 0));
}

TEST_P(backpressure, delivers_what_was_in_the_outbox_before_an_error) {
  EXPECT_EQ(accepted_in_one_hook({.outbox = 5}, 8), 7);

  auto end = out.subscribe();
  for (int i = 0; i != 7; ++i)
    EXPECT_EQ(end.next(), i);
  EXPECT_THROW(static_cast<void>(end.next()), puma::buffer_full);
}

// -- pausing ------------------------------------------------------------------

TEST_P(backpressure, loses_nothing) {
  auto x = env().run<stage>("stage", in, std::vector{out});
  stream_all(in, 1, 200);

  EXPECT_EQ(rest_of(out), numbers_to(200));
}

TEST_P(backpressure, goes_through_many_stages) {
  std::vector<int_buffer> buffers{in};
  std::vector<puma::runner> runners;
  for (int i = 0; i != 5; ++i) {
    buffers.push_back(env().make_buffer<int>("small", 1));
    runners.push_back(env().run<stage>("stage", buffers[buffers.size() - 2],
                                       std::vector{buffers.back()}));
  }
  stream_all(in, 1, 200);

  EXPECT_EQ(rest_of(buffers.back()), numbers_to(200));
}

TEST_P(backpressure, is_not_caused_by_an_output_that_drops) {
  auto x = env().run<stage>("stage", in, std::vector<int_buffer>{},
                            script{.on_start = [&](stage& self) {
                              self.outs.open(self.publish_to(
                                out, {.when_full = when_full::drop_newest}));
                            }});

  stream_all(in, 1, 200);
  x.join();

  EXPECT_EQ(out.stats().dropped_newest, 198u);
  EXPECT_THAT(rest_of(out), ElementsAre(1, 2));
}

TEST_P(backpressure, is_not_caused_by_a_buffer_that_keeps_the_latest) {
  auto latest = env().make_buffer<int>("latest", 1,
                                       {.overflow = puma::overflow::latest});
  auto x = env().run<stage>("stage", in, std::vector{latest});

  stream_all(in, 1, 200);
  x.join();

  EXPECT_EQ(latest.stats().dropped_oldest, 199u);
  EXPECT_THAT(rest_of(latest), ElementsAre(200));
}

TEST_P(backpressure, of_one_output_holds_back_a_dropping_one_beside_it) {
  auto dropping = env().make_buffer<int>("dropping", 256);
  auto x = env().run<stage>(
    "stage", in, std::vector{out}, script{.on_start = [&](stage& self) {
      self.outs.open(
        self.publish_to(dropping, {.when_full = when_full::drop_newest}));
    }});

  stream_all(in, 1, 200);

  EXPECT_EQ(rest_of(out), numbers_to(200));
  EXPECT_EQ(rest_of(dropping), numbers_to(200));
}

TEST_P(backpressure, does_not_keep_from_stopping) {
  publish_all(in, 1, 100);
  auto x = env().run<stage>("stage", in, std::vector{out});
  ASSERT_TRUE(eventually([&] { return out.stats().waiting == 2; }));

  x.stop();
  x.join();

  stream_all(in, 101, 101);
  auto all = rest_of(out);
  for (const int y : rest_of(in))
    all.push_back(y);
  EXPECT_EQ(all, numbers_to(101));
}

// -- memory -------------------------------------------------------------------

TEST_P(backpressure, bounds_memory_with_a_slow_consumer) {
  constexpr int last = 1000;
  constexpr std::uint64_t capacity = 16;
  constexpr std::uint64_t outbox = 64;
  auto first = env().make_buffer<int>("first", capacity);
  auto second = env().make_buffer<int>("second", capacity);
  auto source = env().run<counting_source>("source", std::vector{first}, last);
  auto relay = env().run<stage>("relay", first, std::vector{second});
  std::uint64_t most = 0;
  std::uint64_t most_under_way = 0;
  int handled = 0;
  // The source makes a value in far less than a microsecond.
  const auto work = std::chrono::microseconds{50};
  auto sink = env().run(puma::for_each("slow", second, [&](int) {
    const auto until = std::chrono::steady_clock::now() + work;
    const auto x = first.stats();
    const auto y = second.stats();
    most = std::max({most, x.waiting, y.waiting});
    most_under_way = std::max(most_under_way,
                              x.accepted - static_cast<std::uint64_t>(handled));
    ++handled;
    while (std::chrono::steady_clock::now() < until) {
    }
  }));

  rt().join();

  EXPECT_EQ(handled, last);
  EXPECT_LE(most, capacity + outbox);
  EXPECT_LE(most_under_way, 2 * (capacity + outbox));
}

} // namespace
