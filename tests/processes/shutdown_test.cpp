// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/shutdown.hpp"

#include "puma/environments/supervisor_environment.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/reports.hpp"

#include <csignal>
#include <stdexcept>

#include <unistd.h>

using namespace puma_test;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ending = puma::shutdown_report::ending;
using step = puma::shutdown_report::step;

namespace {

/// Passes values on; hangs at zero, and fails at negative ones.
class moody : public puma::single_buffer_servicing_runnable<int> {
 public:
  moody(const puma::buffer<int>& in, const puma::buffer<int>& out)
    : single_buffer_servicing_runnable("moody", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override {
    if (x < 0)
      throw std::invalid_argument{"too low"};
    while (x == 0)
      ::pause();
    out_.publish(x);
  }

 private:
  puma::publisher<int> out_;
};

class shutdowns : public place_test {
 protected:
  puma::buffer<int> a = env().make_buffer<int>("a", 8);
  puma::buffer<int> b = env().make_buffer<int>("b", 100'000'000);
};

INSTANTIATE_TEST_SUITE_P(, shutdowns, any_place_at_all, place_name);

TEST_P(shutdowns, let_values_flow_out) {
  auto source = env().run<counting<int>>("source"s, a, 1, 2'000'000'000);
  auto stage = env().run<passing<int>>("stage"s, a, b);
  auto from = b.subscribe();
  EXPECT_EQ(read(from, 100).values, numbers(1, 100));

  const auto report = rt().shutdown({.drain = patience});

  expect_adds_up(report);
  EXPECT_EQ(report.reached, step::drain) << report.to_string();
  EXPECT_EQ(how_ended(report, "source"), ending::completed);
  EXPECT_EQ(how_ended(report, "stage"), ending::completed);
  EXPECT_EQ(to_string(read(from).end), "completed");
}

TEST_P(shutdowns, count_the_value_in_hand_at_a_failure) {
  auto x = env().run<moody>(a, b);
  auto to = a.open_publisher();
  send_numbers(to, 1, 3);
  to.publish(-1);
  to.complete();
  ASSERT_TRUE(eventually([&] { return !x.is_alive(); }));

  const auto report = rt().shutdown();

  expect_adds_up(report);
  EXPECT_EQ(sum_of(report, "a").failed, 1u) << report.to_string();
}

/// Runnables in processes do not stop.
class stubborn : public process_test {
 protected:
  puma::buffer<int> a = env.make_buffer<int>("a", 8);
  puma::buffer<int> b = env.make_buffer<int>("b", 8);

  /// Returns when the one runnable is known to be in `on_value`.
  void await_hanging() {
    EXPECT_TRUE(eventually([this] {
      const auto report = rt().join_for(1ms);
      return report.still_alive.size() == 1
             && report.still_alive[0].activity == "on_value";
    }));
  }

  static constexpr puma::shutdown_options in_short{
    .drain = 50ms, .stop = 50ms, .abort = 500ms, .kill = patience};
};

TEST_F(stubborn, runnables_are_killed_and_named_with_their_hook) {
  auto x = env.run<moody>(a, b);
  auto to = a.open_publisher();
  to.publish(0);
  await_hanging();

  const auto before = steady::now();
  const auto report = rt().shutdown(in_short);

  EXPECT_LT(steady::now() - before, patience);
  expect_adds_up(report);
  EXPECT_EQ(report.reached, step::kill) << report.to_string();
  const auto killed = report.all_that(ending::killed);
  ASSERT_THAT(killed, SizeIs(1)) << report.to_string();
  EXPECT_EQ(killed[0].name, "moody");
  EXPECT_EQ(killed[0].activity, "on_value");
  EXPECT_THAT(killed[0].error, HasSubstr("had not stopped"));
  EXPECT_THAT(report.all_that(ending::hung), SizeIs(0));
  EXPECT_TRUE(sum_of(report, "a").estimated);
  const auto rest = read(b);
  ASSERT_TRUE(rest.error);
  EXPECT_EQ(rest.error->type(), "puma::shutdown_aborted");
}

TEST_F(stubborn, processes_that_are_frozen_are_killed) {
  auto x = env.run<moody>(a, b);
  ASSERT_TRUE(eventually([&] { return workers().size() == 1; }));
  x.wait_until_running();
  const auto frozen = workers().front();
  ASSERT_EQ(::kill(frozen, SIGSTOP), 0);
  ASSERT_TRUE(eventually([&] { return state_of(frozen) == 'T'; }));

  const auto report = rt().shutdown(in_short);

  EXPECT_EQ(report.reached, step::kill) << report.to_string();
  EXPECT_EQ(how_ended(report, "moody"), ending::killed);
  expect_adds_up(report);
}

TEST_F(stubborn, processes_that_are_frozen_lose_each_value_once) {
  constexpr int count = 150'000;
  // However long it takes to fill the connection.
  const puma::process_environment patient{rt(), {.answer_timeout = 0ms}};
  const auto many = env.make_buffer<int>("many", 1'000'000);
  auto x = patient.run<moody>(many, b);
  auto to = many.open_publisher();
  to.publish(0);
  await_hanging();
  for (int i = 0; i != count; ++i)
    to.publish(1);
  ASSERT_EQ(::kill(workers().front(), SIGSTOP), 0);
  // More than fits in the connection, as far as the process has made room.
  auto accepted = count + 1u;
  for (int i = 0; i != count; ++i)
    accepted += to.try_publish(1) == puma::publish_result::accepted;

  const auto report = rt().shutdown(in_short);

  const auto sum = sum_of(report, "many");
  EXPECT_TRUE(sum.adds_up()) << report.to_string();
  EXPECT_EQ(sum.accepted, accepted) << report.to_string();
  EXPECT_LE(sum.handled, 1u) << report.to_string();
  EXPECT_LE(sum.lost + sum.left_over, accepted) << report.to_string();
}

TEST_F(stubborn, supervised_runnables_are_not_restarted_by_that) {
  const auto guard = env.supervisor(
    "guard", {.then = puma::on_failure::restart, .first_backoff = 0s});
  auto x = guard.run<moody>(a, b);
  auto to = a.open_publisher();
  to.publish(0);
  await_hanging();

  const auto report = rt().shutdown(in_short);

  EXPECT_EQ(how_ended(report, "moody"), ending::killed) << report.to_string();
  expect_adds_up(report);
  EXPECT_EQ(sum_of(report, "a").left_over, 1u) << report.to_string();
  EXPECT_EQ(to_string(read(b).end), "failed");
}

} // namespace
