// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/virtual_runtime.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/stages.hpp"

#include <vector>

using namespace puma_test;
using puma::when_full;
using ::testing::ElementsAre;

namespace {

/// When pooled runnables get no further values. Only the virtual runtime can
/// tell that nothing happens any more.
class pausing : public ::testing::Test {
 protected:
  puma::testing::virtual_runtime vrt;
  puma::thread_environment env = vrt.env();
  int_buffer in = env.make_buffer<int>("in", 256);
  int_buffer out = env.make_buffer<int>("out", 2);

  std::uint64_t handled() { return in.stats().taken; }
};

TEST_F(pausing, begins_when_the_outbox_is_in_use) {
  auto x = env.run<stage>("stage", in, std::vector{out});
  publish_all(in, 1, 100);

  vrt.settle();

  EXPECT_GE(handled(), 2u);
  EXPECT_LE(handled(), 3u);
  EXPECT_EQ(out.stats().waiting, 2u);
}

TEST_F(pausing, ends_when_the_outbox_has_drained) {
  auto x = env.run<stage>("stage", in, std::vector{out});
  publish_all(in, 1, 100);
  auto end = out.subscribe();
  vrt.settle();
  const auto before = handled();

  EXPECT_EQ(end.next(), 1);
  EXPECT_EQ(end.next(), 2);
  vrt.settle();

  EXPECT_EQ(handled(), before + 2);
}

TEST_F(pausing, lasts_until_all_of_a_burst_has_had_room) {
  auto x = env.run(puma::flat_map(
    "burst", in, out, [](int n) { return std::vector<int>(10, n); }));
  publish_all(in, 1, 100);
  auto end = out.subscribe();
  vrt.settle();
  ASSERT_EQ(handled(), 1u);

  for (int i = 0; i != 7; ++i) {
    ASSERT_EQ(end.next(), 1);
    vrt.settle();
    ASSERT_EQ(handled(), 1u);
  }
  for (int i = 0; i != 3; ++i)
    ASSERT_EQ(end.next(), 1);
  vrt.settle();

  EXPECT_EQ(handled(), 2u);
}

TEST_F(pausing, of_all_outputs_is_decided_by_the_one_that_blocks) {
  auto dropping = env.make_buffer<int>("dropping", 1);
  auto x = env.run<stage>(
    "stage", in, std::vector{out}, script{.on_start = [&](stage& self) {
      self.outs.open(
        self.publish_to(dropping, {.when_full = when_full::drop_newest}));
    }});
  publish_all(in, 1, 100);

  vrt.settle();

  EXPECT_LE(handled(), 3u);
  EXPECT_EQ(dropping.stats().waiting, 1u);
  EXPECT_EQ(dropping.stats().dropped_newest, handled() - 1);
}

TEST_F(pausing, by_one_of_two_outputs_keeps_the_other_in_step) {
  auto wide = env.make_buffer<int>("wide", 100);
  auto x = env.run<stage>("stage", in, std::vector{out, wide});
  publish_all(in, 1, 100);

  vrt.settle();

  EXPECT_EQ(wide.stats().waiting, handled());
  EXPECT_LE(handled(), 3u);
}

TEST_F(pausing, keeps_the_memory_of_a_long_stream_bounded_at_every_step) {
  constexpr int last = 2000;
  constexpr std::uint64_t capacity = 16;
  constexpr std::uint64_t outbox = 64;
  auto first = env.make_buffer<int>("first", capacity);
  auto second = env.make_buffer<int>("second", capacity);
  auto source = env.run<counting_source>("source", std::vector{first}, last);
  auto relay = env.run<stage>("relay", first, std::vector{second});
  auto end = second.subscribe();

  // All others have all the time they want for each value that is taken here.
  for (int i = 1; i <= last; ++i) {
    vrt.settle();
    ASSERT_LE(first.stats().waiting, capacity + outbox);
    ASSERT_LE(second.stats().waiting, capacity + outbox);
    ASSERT_LE(first.stats().accepted, i + 2 * (capacity + outbox));
    ASSERT_EQ(end.next(), i);
  }

  EXPECT_EQ(end.next(), std::nullopt);
}

TEST_F(pausing, of_a_source_begins_before_it_is_asked_without_room) {
  int asked = 0;
  auto x = env.run<counting_source>("source", std::vector{out}, std::nullopt,
                                    [&](int) { ++asked; });

  vrt.settle();

  EXPECT_EQ(asked, 2);
}

TEST_F(pausing, of_a_source_lasts_while_any_output_is_full) {
  int asked = 0;
  auto wide = env.make_buffer<int>("wide", 100);
  auto x = env.run<counting_source>("source", std::vector{wide, out},
                                    std::nullopt, [&](int) { ++asked; });
  vrt.settle();
  ASSERT_EQ(asked, 2);
  auto end = out.subscribe();
  auto other = wide.subscribe();

  EXPECT_EQ(other.next(), 1);
  vrt.settle();
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(end.next(), 1);
  vrt.settle();

  EXPECT_EQ(asked, 3);
}

TEST_F(pausing, of_a_source_ignores_an_output_that_drops) {
  int asked = 0;
  auto dropping = env.make_buffer<int>(
    "dropping", 1, {.overflow = puma::overflow::drop_newest});
  auto x = env.run<counting_source>("source", std::vector{dropping, out},
                                    std::nullopt, [&](int) { ++asked; });

  vrt.settle();

  EXPECT_EQ(asked, 2);
  EXPECT_EQ(dropping.stats().dropped_newest, 1u);
}

} // namespace
