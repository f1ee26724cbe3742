// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/parallel_transform.hpp"

#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/gate.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

using boxed = std::unique_ptr<int>;

class a_parallel_transform : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 16);
  int_buffer out = env().make_buffer<int>("out", 16);

  using environment_test::run;

  /// Starts with the hosting under test.
  template <class In, class Out, class F>
  [[nodiscard]] puma::runner_group
  run(puma::parallel_recipe<In, Out, F> recipe) {
    if (GetParam() == hosting::dedicated)
      return env().run(puma::dedicated, std::move(recipe));
    return env().run(std::move(recipe));
  }

  /// Publishes `first` to `last`, from a runnable that waits for room.
  [[nodiscard]] puma::runner source(int first, int last) {
    return env().run(puma::generate(
      "source", in, [n = first, last]() mutable -> std::optional<int> {
        return n > last ? std::nullopt : std::optional{n++};
      }));
  }

  /// Receives until the stream ends with an error, whose text it returns.
  std::vector<int> until_error(std::string& text) {
    std::vector<int> result;
    auto from = out.subscribe();
    text = text_of<sensor_broken>([&] {
      while (auto x = from.next())
        result.push_back(*x);
    });
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(, a_parallel_transform, any_hosting, with_hosting);

TEST_P(a_parallel_transform, keeps_the_order_of_its_input) {
  for (const std::size_t n : {1u, 2u, 3u, 8u, 40u}) {
    auto from = env().make_buffer<int>("from", 8);
    auto to = env().make_buffer<int>("to", 8);
    auto x = run(puma::parallel_transform("double", from, to, n,
                                          [](int i) { return 2 * i; }));
    auto make = env().run(
      puma::generate("source", from, [i = 0]() mutable -> std::optional<int> {
        return i == 1000 ? std::nullopt : std::optional{++i};
      }));

    std::vector<int> expected;
    for (int i = 1; i <= 1000; ++i)
      expected.push_back(2 * i);
    EXPECT_EQ(rest_of(to), expected) << n << " runnables";
    x.join();
    EXPECT_FALSE(x.is_alive());
    EXPECT_NO_THROW(x.check_for_exceptions());
  }
  EXPECT_EQ(log.count(puma::log_level::warning), 0u) << log.to_string();
}

TEST_P(a_parallel_transform, completes_an_empty_stream) {
  auto x = run(
    puma::parallel_transform("double", in, out, 3, [](int i) { return i; }));

  in.open_publisher().complete();

  EXPECT_THAT(rest_of(out), IsEmpty());
}

TEST_P(a_parallel_transform, passes_a_lone_value_on_at_once) {
  auto x = run(puma::parallel_transform("double", in, out, 4,
                                        [](int i) { return 2 * i; }));
  auto from = out.subscribe();
  auto to = in.open_publisher();

  for (int i = 1; i <= 6; ++i) {
    to.publish(i);
    EXPECT_EQ(from.next(), 2 * i);
  }
}

TEST_P(a_parallel_transform, changes_the_type_of_values) {
  auto boxes = env().make_buffer<boxed>("boxes", 4);
  auto texts = env().make_buffer<std::string>("texts", 4);
  auto x = run(puma::parallel_transform(
    "to text", boxes, texts, 2, [](boxed i) { return std::to_string(*i); }));

  auto to = boxes.open_publisher();
  for (int i = 1; i <= 3; ++i)
    to.publish(std::make_unique<int>(i));
  to.complete();

  EXPECT_THAT(rest_of(texts), ElementsAre("1", "2", "3"));
}

TEST_P(a_parallel_transform, fails_its_output_behind_what_came_before) {
  // Each of the three runnables fails once.
  for (const int bad : {300, 301, 302}) {
    in = env().make_buffer<int>("in", 16);
    out = env().make_buffer<int>("out", 16);
    auto x = run(puma::parallel_transform("check", in, out, 3, [bad](int i) {
      if (i == bad)
        throw sensor_broken{i};
      return i;
    }));
    auto make = source(1, 100000);

    std::string text;
    EXPECT_EQ(until_error(text), numbers_to(bad - 1));
    EXPECT_EQ(text, "sensor broken");

    // All of it has ended, though its input goes on.
    x.join();
    EXPECT_FALSE(x.is_alive());
    EXPECT_TRUE(make.is_alive());
    // The output has taken the error.
    EXPECT_NO_THROW(x.check_for_exceptions());
    ASSERT_TRUE(x.last_failure());
    EXPECT_THAT(x.last_failure()->describe(), HasSubstr("'check."));
  }
}

TEST_P(a_parallel_transform, passes_an_error_of_its_input_on_in_order) {
  auto x = run(
    puma::parallel_transform("double", in, out, 3, [](int i) { return i; }));

  auto to = in.open_publisher();
  for (int i = 1; i <= 7; ++i)
    to.publish(i);
  to.fail(sensor_broken{1});

  std::string text;
  EXPECT_EQ(until_error(text), numbers_to(7));
  x.join();
}

TEST_P(a_parallel_transform, works_on_as_many_values_at_a_time) {
  if (world_name() == "virtual")
    GTEST_SKIP() << "there is one thread";
  gate all_in;
  std::atomic<int> inside = 0;
  auto x = env().run(puma::dedicated,
                     puma::parallel_transform("wait", in, out, 3, [&](int i) {
                       if (++inside == 3)
                         all_in.open();
                       all_in.pass();
                       return i;
                     }));

  stream_all(in, 1, 6);

  EXPECT_EQ(rest_of(out), numbers_to(6));
}

TEST_P(a_parallel_transform, holds_no_more_than_its_buffers_once_more) {
  auto x = run(
    puma::parallel_transform("double", in, out, 4, [](int i) { return i; }));
  numbers made;
  auto make = env().run(puma::generate("source", in, [made, n = 0]() mutable {
    made.add(++n);
    return std::optional{n};
  }));

  ASSERT_TRUE(eventually([&] { return out.stats().waiting == 16; }));

  // `in` and `out` and as much inside, and what each of the seven runnables
  // may have in its hands and in its outbox.
  EXPECT_LE(made.size(), 16u + 16u + 2 * 16u + 7u * 17u);
}

TEST_P(a_parallel_transform, ends_when_it_is_stopped) {
  auto x = run(
    puma::parallel_transform("double", in, out, 3, [](int i) { return i; }));
  x.wait_until_running();
  EXPECT_TRUE(x.is_alive());

  x.stop();
  x.join();

  EXPECT_FALSE(x.is_alive());
  EXPECT_THAT(rest_of(out), IsEmpty());
}

TEST_P(a_parallel_transform, ends_with_its_group) {
  {
    auto x = run(
      puma::parallel_transform("double", in, out, 3, [](int i) { return i; }));
    x.wait_until_running();
  }

  EXPECT_THAT(rest_of(out), IsEmpty());
}

TEST_P(a_parallel_transform, is_made_without_being_started) {
  auto x = env().make(puma::parallel_transform("double", in, out, 2,
                                               [](int i) { return 2 * i; }));
  stream_all(in, 1, 3);
  EXPECT_FALSE(x.is_alive());

  x.start();

  EXPECT_THAT(rest_of(out), ElementsAre(2, 4, 6));
}

TEST_P(a_parallel_transform, fails_when_its_input_is_in_use) {
  auto other = in.subscribe();
  auto from = out.subscribe();
  auto x = run(
    puma::parallel_transform("double", in, out, 2, [](int i) { return i; }));

  EXPECT_THAT(usage_error_text([&] { static_cast<void>(from.next()); }),
              HasSubstr("buffer 'in': has a subscription already"));
  x.join();
  EXPECT_THAT(usage_error_text([&] { x.check_for_exceptions(); }),
              HasSubstr("buffer 'in'"));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_parallel_transform, needs_a_name_and_a_runnable) {
  const auto same = [](int i) { return i; };

  EXPECT_THAT(usage_error_text([&] {
                static_cast<void>(
                  puma::parallel_transform("", in, out, 2, same));
              }),
              HasSubstr("the name must not be empty"));
  EXPECT_EQ(usage_error_text([&] {
              static_cast<void>(
                puma::parallel_transform("double", in, out, 0, same));
            }),
            "parallel_transform 'double': needs at least one runnable");
}

TEST_P(a_parallel_transform, flows_out_when_the_program_drains) {
  auto x = run(
    puma::parallel_transform("double", in, out, 3, [](int i) { return i; }));
  auto make = source(1, 1 << 30);
  ASSERT_TRUE(eventually([&] { return out.stats().accepted == 16; }));
  numbers seen;
  auto sink = env().run(
    puma::for_each("sink", out, [seen](int i) { seen.add(i); }));

  const auto report = rt().drain(std::chrono::seconds{30});

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_GT(seen.size(), 16u);
  EXPECT_EQ(seen.entries(), numbers_to(static_cast<int>(seen.size())));
}

// -- under a supervisor -------------------------------------------------------

constexpr puma::supervision_policy always_again{
  .then = puma::on_failure::restart,
  .max_restarts = 1000,
  .first_backoff = std::chrono::seconds{0},
  .max_backoff = std::chrono::seconds{0}};

TEST_P(a_parallel_transform, leaves_out_what_its_supervisor_skips) {
  const auto guard = env().supervisor("guard", always_again);
  const auto refuse = [](int i) {
    // Values of each runnable, and several in a row of one.
    if (i % 10 == 0 || i == 33 || i == 36 || i == 39)
      throw sensor_broken{i};
    return i;
  };
  auto x = guard.run(puma::parallel_transform("check", in, out, 3, refuse));
  auto make = source(1, 100);

  std::vector<int> expected;
  for (const int i : numbers_to(100))
    if (i % 10 != 0 && i != 33 && i != 36 && i != 39)
      expected.push_back(i);
  EXPECT_EQ(rest_of(out), expected);
  x.join();
}

TEST_P(a_parallel_transform, tries_again_what_its_supervisor_wants_tried) {
  const auto guard = env()
                       .supervisor("guard", always_again)
                       .with(puma::value_policy::skip(3));
  auto left = std::make_shared<std::atomic<int>>(3);
  auto x = guard.run(
    puma::parallel_transform("check", in, out, 2, [left](int i) {
      if (i == 5 && left->fetch_sub(1) > 0)
        throw sensor_broken{i};
      return i;
    }));
  auto make = source(1, 20);

  EXPECT_EQ(rest_of(out), numbers_to(20));
}

TEST_P(a_parallel_transform, gives_up_on_dead_letters) {
  auto letters = env().make_buffer<puma::dead_letter<int>>("letters", 4);
  const auto guard = env()
                       .supervisor("guard", always_again)
                       .with(puma::value_policy::dead_letters(letters));
  auto x = guard.run(puma::parallel_transform("check", in, out, 2, [](int i) {
    if (i == 5)
      throw sensor_broken{i};
    return i;
  }));
  auto make = source(1, 20);

  // It ends all its children at once.
  std::vector<int> seen;
  EXPECT_THROW(
    {
      for (const int i : out.subscribe())
        seen.push_back(i);
    },
    puma::restarts_exhausted);
  EXPECT_EQ(seen, numbers_to(static_cast<int>(seen.size())));
  EXPECT_EQ(log.count(puma::log_level::error, "of another type"), 1u);
  x.join();
}

} // namespace
