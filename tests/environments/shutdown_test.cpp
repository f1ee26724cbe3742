// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/shutdown.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/reports.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ending = puma::shutdown_report::ending;
using step = puma::shutdown_report::step;

namespace {

/// Wants more when its stream ends.
class unfinished : public puma::single_buffer_servicing_runnable<int> {
 public:
  explicit unfinished(const int_buffer& in)
    : single_buffer_servicing_runnable("unfinished", in) {}

 protected:
  void on_value(int&) override {}

  void on_complete(const puma::failure*) override {
    throw std::logic_error{"not yet"};
  }
};

class shutdown : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 64);
  int_buffer out = env().make_buffer<int>("out", 64);
  numbers seen;

  /// Refuses multiples of three.
  puma::runner run_choosy(const puma::environment& where) {
    return where.run(puma::for_each("choosy", in, [this](int n) {
      if (n % 3 == 0)
        throw std::invalid_argument{"refuses " + std::to_string(n)};
      seen.add(n);
    }));
  }
};

INSTANTIATE_TEST_SUITE_P(, shutdown, any_hosting, with_hosting);

TEST_P(shutdown, of_nothing_is_clean) {
  const auto report = rt().shutdown();

  EXPECT_TRUE(report.clean()) << report.to_string();
  EXPECT_EQ(report.reached, step::drain);
}

TEST_P(shutdown, lets_values_flow_out_and_says_how_each_runnable_ended) {
  auto source = run<counting_source>("source", std::vector{in});
  auto middle = run<stage>("middle", in, std::vector{out});
  auto sink = run(puma::for_each("sink", out, [&](int n) { seen.add(n); }));
  auto idle = run<idler>();
  idle.wait_until_running();
  source.wait_until_running();

  const auto report = rt().shutdown();

  expect_adds_up(report);
  EXPECT_TRUE(report.clean()) << report.to_string();
  EXPECT_EQ(how_ended(report, "source"), ending::completed);
  EXPECT_EQ(how_ended(report, "middle"), ending::completed);
  EXPECT_EQ(how_ended(report, "sink"), ending::completed);
  EXPECT_EQ(how_ended(report, "idler"), ending::stopped);
  const auto made = in.stats().accepted;
  EXPECT_EQ(sum_of(report, "in").handled, made);
  EXPECT_EQ(sum_of(report, "out").handled, made);
  EXPECT_THAT(seen.entries(), SizeIs(made));
}

TEST_P(shutdown, counts_what_was_in_hand_and_what_was_behind_it_at_a_failure) {
  auto x = run_choosy(env());
  publish_all(in, 1, 8);

  const auto report = rt().shutdown();

  expect_adds_up(report);
  EXPECT_FALSE(report.clean());
  const auto sum = sum_of(report, "in");
  EXPECT_EQ(sum.accepted, 8u);
  EXPECT_EQ(sum.handled, 2u);
  EXPECT_EQ(sum.failed, 1u);
  EXPECT_EQ(sum.left_over, 5u);
  EXPECT_THROW(rt().join(), std::invalid_argument);
}

TEST_P(shutdown, says_what_failed_on_the_way) {
  auto x = run<unfinished>(in);
  auto to = in.open_publisher();
  to.publish(1);
  x.wait_until_running();

  const auto report = rt().shutdown();

  expect_adds_up(report);
  EXPECT_FALSE(report.clean());
  EXPECT_EQ(how_ended(report, "unfinished"), ending::failed);
  EXPECT_THAT(report.to_string(),
              HasSubstr("runnable 'unfinished': failed, with runnable "
                        "'unfinished': on_complete"));
  EXPECT_THROW(rt().join(), std::logic_error);
}

TEST_P(shutdown, counts_values_that_were_skipped) {
  const auto guard = env()
                       .supervisor("guard", {.then = puma::on_failure::restart,
                                             .max_restarts = 100,
                                             .first_backoff = 0s})
                       .with(puma::value_policy::skip(1));
  auto x = run_choosy(guard);
  publish_all(in, 1, 8);
  EXPECT_TRUE(eventually([&] { return in.stats().skipped == 2; }));

  const auto report = rt().shutdown();

  expect_adds_up(report);
  const auto sum = sum_of(report, "in");
  EXPECT_EQ(sum.accepted, 8u);
  EXPECT_EQ(sum.handled, 6u) << report.to_string();
  EXPECT_EQ(sum.skipped, 2u);
  EXPECT_EQ(sum.left_over, 0u);
}

TEST_P(shutdown, counts_values_that_were_dropped) {
  auto latest = env().make_buffer<int>("latest", 2,
                                       {.overflow = puma::overflow::latest});
  publish_all(latest, 1, 10);

  const auto report = rt().shutdown();

  expect_adds_up(report);
  const auto sum = sum_of(report, "latest");
  EXPECT_EQ(sum.accepted, 10u);
  EXPECT_EQ(sum.dropped, 9u);
  EXPECT_EQ(sum.left_over, 1u);
}

TEST_P(shutdown, stops_what_does_not_drain) {
  auto source = run<counting_source>("source", std::vector{in});
  auto middle = run<stage>("middle", in, std::vector{out});
  // More than has room behind `middle`.
  EXPECT_TRUE(eventually(
    [&] { return out.stats().accepted >= 64 && in.stats().accepted > 64; }));

  const auto report = rt().shutdown({.drain = 1ms});

  expect_adds_up(report);
  EXPECT_EQ(report.reached, step::stop);
  EXPECT_EQ(how_ended(report, "middle"), ending::stopped);
  EXPECT_GE(sum_of(report, "out").left_over, 64u);
}

TEST_P(shutdown, may_be_told_again) {
  auto source = run<counting_source>("source", std::vector{in});
  auto sink = run(puma::for_each("sink", in, [&](int n) { seen.add(n); }));
  source.wait_until_running();
  static_cast<void>(rt().shutdown());

  const auto report = rt().shutdown();

  expect_adds_up(report);
  EXPECT_THAT(report.runnables, SizeIs(2));
  EXPECT_TRUE(report.clean()) << report.to_string();
}

TEST_P(shutdown, says_it_all_in_text) {
  auto x = run_choosy(env());
  publish_all(in, 1, 8);

  const auto text = rt().shutdown().to_string();

  EXPECT_THAT(text, HasSubstr("went as far as drain"));
  EXPECT_THAT(text, HasSubstr("buffer 'in': accepted 8, handled 2, failed 1, "
                              "left over 5\n"));
  EXPECT_THROW(rt().join(), std::invalid_argument);
}

} // namespace
