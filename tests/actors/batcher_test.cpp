// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/batcher.hpp"

#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;

namespace {

using batches = std::vector<std::vector<int>>;

class a_batcher : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 16);
  puma::buffer<std::vector<int>> out = env().make_buffer<std::vector<int>>(
    "out", 16);
};

INSTANTIATE_TEST_SUITE_P(, a_batcher, any_hosting, with_hosting);

TEST_P(a_batcher, passes_on_as_many_values_as_it_is_told) {
  auto x = run(puma::batch("batch", in, out, {.count = 3}));

  stream_all(in, 1, 6);

  EXPECT_EQ(rest_of(out), (batches{{1, 2, 3}, {4, 5, 6}}));
}

TEST_P(a_batcher, passes_on_the_rest_at_the_end) {
  auto x = run(puma::batch("batch", in, out, {.count = 3}));

  stream_all(in, 1, 4);

  EXPECT_EQ(rest_of(out), (batches{{1, 2, 3}, {4}}));
}

TEST_P(a_batcher, passes_on_nothing_when_there_was_nothing) {
  auto x = run(puma::batch("batch", in, out, {.count = 3, .time = 1h}));

  in.open_publisher().complete();

  EXPECT_EQ(rest_of(out), batches{});
}

TEST_P(a_batcher, passes_on_what_came_in_the_time) {
  auto x = run(puma::batch("batch", in, out, {.time = 1ms}));
  auto results = out.subscribe();

  publish_all(in, 1, 1);
  EXPECT_EQ(results.next(), (std::vector{1}));

  publish_all(in, 2, 2);
  EXPECT_EQ(results.next(), (std::vector{2}));
}

TEST_P(a_batcher, passes_on_the_rest_before_an_error) {
  auto x = run(puma::batch("batch", in, out, {.count = 3}));
  auto from = in.open_publisher();
  from.publish(1);
  from.fail(sensor_broken{1});

  auto results = out.subscribe();

  EXPECT_EQ(results.next(), (std::vector{1}));
  EXPECT_THROW(static_cast<void>(results.next()), sensor_broken);
}

TEST_P(a_batcher, passes_on_the_rest_when_it_is_stopped) {
  auto x = run(puma::batch("batch", in, out, {.count = 3}));
  publish_all(in, 1, 2);
  EXPECT_TRUE(eventually([&] { return in.stats().taken == 2; }));

  x.stop();
  x.join();

  EXPECT_EQ(rest_of(out), (batches{{1, 2}}));
}

TEST_P(a_batcher, passes_on_the_rest_before_it_is_restarted) {
  auto guard = env().supervisor(
    "guard", {.then = puma::on_failure::restart,
              .strategy = puma::restart_strategy::one_for_all});
  auto triggers = env().make_buffer<int>("triggers", 4);
  auto x = guard.run(puma::batch("batch", in, out, {.count = 3}));
  auto y = guard.run(
    puma::for_each("fails", triggers, [](int) { throw sensor_broken{1}; }));
  publish_all(in, 1, 2);
  EXPECT_TRUE(eventually([&] { return in.stats().taken == 2; }));
  auto results = out.subscribe();

  publish_all(triggers, 1, 1);

  EXPECT_EQ(results.next(), (std::vector{1, 2}));
  stream_all(in, 3, 3);
  EXPECT_EQ(results.next(), (std::vector{3}));
  EXPECT_EQ(results.next(), std::nullopt);
  y.stop();
}

TEST_P(a_batcher, loses_nothing_silently_when_it_is_stopped_before_a_full_one) {
  auto small = env().make_buffer<std::vector<int>>("small", 1);
  auto x = run(puma::batch("batch", in, small, {.count = 2}));
  publish_all(in, 1, 4);
  EXPECT_TRUE(eventually([&] { return small.stats().accepted == 1; }));

  x.stop();
  x.join();

  std::size_t found = 0;
  for (auto& batch : rest_of(small))
    found += batch.size();
  // A dedicated one cannot wait for room any more.
  const auto lost = [this](const char* many) {
    return log.count(puma::log_level::warning,
                     std::string{many} + " collected values were not passed");
  };
  EXPECT_EQ(found + lost("1") + 2 * lost("2") + in.stats().waiting, 4u);
}

TEST_P(a_batcher, holds_its_input_back_while_its_output_is_full) {
  auto small = env().make_buffer<std::vector<int>>("small", 1);
  auto x = run(puma::batch("batch", in, small, {.count = 2}));

  publish_all(in, 1, 14);
  EXPECT_TRUE(eventually([&] { return in.stats().taken >= 3; }));

  auto results = small.subscribe();
  for (int i = 1; i <= 13; i += 2)
    EXPECT_EQ(results.next(), (std::vector{i, i + 1}));
}

TEST_P(a_batcher, may_collect_values_that_cannot_be_copied) {
  using boxed = std::unique_ptr<int>;
  auto boxes = env().make_buffer<boxed>("boxes", 4);
  auto packed = env().make_buffer<std::vector<boxed>>("packed", 4);
  auto x = run(puma::batch("batch", boxes, packed, {.count = 2}));

  auto from = boxes.open_publisher();
  from.publish(std::make_unique<int>(1));
  from.publish(std::make_unique<int>(2));
  from.complete();

  const auto found = rest_of(packed);
  ASSERT_EQ(found.size(), 1u);
  ASSERT_EQ(found[0].size(), 2u);
  EXPECT_EQ(*found[0][1], 2);
}

TEST_P(a_batcher, refuses_options_that_make_no_sense) {
  EXPECT_EQ(usage_error_text([&] {
              static_cast<void>(puma::batch("b", in, out, {.count = 0}));
            }),
            "batch 'b': the count must be at least 1");
  EXPECT_EQ(usage_error_text([&] {
              static_cast<void>(puma::batch("b", in, out, {.time = -1ns}));
            }),
            "batch 'b': the time must not be negative");
}

} // namespace
