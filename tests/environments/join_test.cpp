// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/runtime.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

class join : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);
  int_buffer other = env().make_buffer<int>("other", 8);
  numbers seen;
};

INSTANTIATE_TEST_SUITE_P(, join, any_hosting, with_hosting);

std::vector<std::string> names_of(const puma::run_report& report) {
  std::vector<std::string> result;
  for (auto& x : report.still_alive)
    result.push_back(x.name);
  std::sort(result.begin(), result.end());
  return result;
}

TEST_P(join, returns_at_once_when_nothing_runs) {
  rt().join();
  rt().join();
}

TEST_P(join, waits_until_all_values_have_been_handled) {
  auto source = run<counting_source>("source", std::vector{in}, 200);
  auto middle = run<stage>("middle", in, std::vector{out});
  auto sink = run(puma::for_each("sink", out, [&](int n) { seen.add(n); }));

  rt().join();

  EXPECT_EQ(seen.entries(), numbers_to(200));
  EXPECT_FALSE(source.is_alive() || middle.is_alive() || sink.is_alive());
}

TEST_P(join, stops_what_nothing_drives_when_the_streams_have_ended) {
  auto idle = run<idler>("idle");
  auto source = run<counting_source>("source", std::vector{in}, 100);
  auto sink = run(puma::for_each("sink", in, [&](int n) {
    EXPECT_TRUE(n < 2 || idle.is_alive());
    seen.add(n);
  }));
  idle.wait_until_running();

  rt().join();

  EXPECT_EQ(seen.size(), 100u);
  EXPECT_FALSE(idle.is_alive());
}

TEST_P(join, waits_for_what_was_started_meanwhile) {
  puma::runner late;
  auto sink = run(puma::for_each("sink", in, [&](int) {
    late = env().run(puma::for_each("late", out, [&](int n) { seen.add(n); }));
    stream_all(out, 7, 7);
  }));
  stream_all(in, 1, 1);

  rt().join();

  EXPECT_THAT(seen.entries(), ElementsAre(7));
}

TEST_P(join, does_not_wait_for_what_was_never_started) {
  auto x = make<stage>("stage", in);

  rt().join();

  EXPECT_FALSE(x.is_alive());
}

TEST_P(join, throws_an_error_that_nobody_took_and_stops_all_others) {
  auto source = run<counting_source>("source", std::vector{other});
  auto sink = run(puma::for_each("sink", other, [](int) {}));
  auto failing = run(
    puma::for_each("failing", in, [](int n) { throw sensor_broken{n}; }));
  publish_all(in, 1, 1);

  EXPECT_THROW(rt().join(), sensor_broken);

  EXPECT_FALSE(source.is_alive() || sink.is_alive() || failing.is_alive());
}

TEST_P(join, does_not_throw_an_error_that_somebody_took) {
  auto failing = run<stage>(
    "failing", in, std::vector{out},
    script{.on_value = [](stage&, int& n) { throw sensor_broken{n}; }});
  auto sink = run<taking_stage>("sink", out, std::vector<int_buffer>{},
                                [](stage&, const puma::failure*) {});
  publish_all(in, 1, 1);

  EXPECT_NO_THROW(rt().join());
}

TEST_P(join, throws_the_error_of_a_runner_that_has_gone) {
  {
    auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
    x.join();
  }

  EXPECT_THROW(rt().join(), sensor_broken);
  EXPECT_NO_THROW(rt().join());
}

TEST_P(join, with_a_limit_says_who_is_left) {
  auto x = run<stage>("patient", in);
  auto y = run<stage>("quick", other);
  x.wait_until_running(); // before that it has no name of its own
  stream_all(other, 1, 1);
  y.join();

  auto report = rt().join_for(1ms);
  EXPECT_FALSE(report.done());
  // At first it may still be starting.
  EXPECT_TRUE(eventually([&] {
    report = rt().join_for(1ms);
    return !report.still_alive.empty()
           && report.still_alive[0].activity.find("waiting")
                != std::string::npos;
  }));

  ASSERT_EQ(report.still_alive.size(), 1u);
  EXPECT_THAT(report.still_alive[0].name, HasSubstr("patient"));
  EXPECT_THAT(report.still_alive[0].activity, HasSubstr("waiting"));
  EXPECT_THAT(report.to_string(), HasSubstr("patient"));
}

TEST_P(join, with_a_limit_stops_nobody_who_would_go_on) {
  auto x = run<stage>("stage", in, std::vector{out});
  ASSERT_FALSE(rt().join_for(1ms).done());

  stream_all(in, 1, 3);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2, 3));
}

TEST_P(join, with_a_limit_is_done_when_all_has_ended) {
  auto idle = run<idler>("idle");
  auto source = run<counting_source>("source", std::vector{in}, 100);
  auto sink = run(puma::for_each("sink", in, [](int) {}));

  const auto report = rt().join_for(30s);

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_THAT(names_of(report), IsEmpty());
}

TEST_P(join, with_a_limit_counts_the_values_of_each_buffer) {
  publish_all(in, 1, 3);

  const auto report = rt().join_for(1ms);

  const auto found = std::find_if(report.buffers.begin(), report.buffers.end(),
                                  [](auto& x) { return x.name == "in"; });
  ASSERT_NE(found, report.buffers.end());
  EXPECT_EQ(found->stats.accepted, 3u);
  EXPECT_EQ(found->stats.waiting, 3u);
}

TEST_P(join, comes_back_after_a_stop) {
  auto idle = run<idler>("idle");
  auto source = run<counting_source>("source", std::vector{in});
  auto sink = run(puma::for_each("sink", in, [](int) {}));
  idle.wait_until_running();

  rt().stop();
  rt().join();

  EXPECT_FALSE(idle.is_alive() || source.is_alive() || sink.is_alive());
}

} // namespace
