// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/gate.hpp"
#include "tests/support/reports.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::log_level;
using ::testing::HasSubstr;
using ::testing::SizeIs;

namespace {

using steady = std::chrono::steady_clock;

/// A runnable that does not return from its hook, and cannot be interrupted.
class hanging : public environment_test {
 protected:
  gate entered;
  gate opened;
  int_buffer in = env().make_buffer<int>("in", 8);

  /// Starts it, and returns once it hangs.
  puma::runner run_hanging() {
    auto result = run<stage>("stuck", in, std::vector<int_buffer>{},
                             script{.on_value = [this](stage&, int&) {
                               entered.open();
                               opened.pass();
                             }});
    publish_all(in, 1, 1);
    entered.pass();
    return result;
  }

  void TearDown() override { opened.open(); }
};

INSTANTIATE_TEST_SUITE_P(, hanging, any_hosting, with_hosting);

TEST_P(hanging, is_named_with_its_hook_by_drain_which_returns_in_time) {
  auto x = run_hanging();

  const auto begin = steady::now();
  const auto report = rt().drain(100ms);

  EXPECT_LT(steady::now() - begin, 10s);
  EXPECT_FALSE(report.done());
  ASSERT_THAT(report.still_alive, SizeIs(1));
  EXPECT_THAT(report.still_alive[0].name, HasSubstr("stuck"));
  EXPECT_THAT(report.still_alive[0].activity, HasSubstr("on_value"));
  EXPECT_THAT(report.to_string(), HasSubstr("stuck"));
  opened.open();
}

TEST_P(hanging, is_named_by_a_shutdown_for_which_the_destructor_does_not_wait) {
  auto out = env().make_buffer<int>("out", 8);
  // It outlives the test: the runnable may still be in its hook then.
  const auto let_go = std::make_shared<gate>();
  auto x = run<stage>(
    "stuck", in, std::vector{out},
    script{.on_value = [this, let_go](stage& self, int& value) {
      self.outs.publish(value); // does not leave before the end
      entered.open();
      let_go->pass();
    }});
  auto reader = out.subscribe();
  publish_all(in, 1, 3);
  entered.pass();

  const auto begin = steady::now();
  const auto report = rt().shutdown(
    {.drain = 1ms, .stop = 1ms, .abort = 1ms, .kill = 1ms});

  EXPECT_LT(steady::now() - begin, 10s);
  EXPECT_EQ(report.reached, puma::shutdown_report::step::abort);
  const auto hung = report.all_that(puma::shutdown_report::ending::hung);
  ASSERT_THAT(hung, SizeIs(1)) << report.to_string();
  EXPECT_EQ(hung[0].name, "stuck");
  EXPECT_EQ(hung[0].activity, "on_value");
  expect_adds_up(report);
  // Nobody waits for it.
  EXPECT_THROW(while (reader.next()){}, puma::shutdown_aborted);
  const auto teardown = steady::now();
  { const auto gone = std::move(x); }
  EXPECT_LT(steady::now() - teardown, 10s);
  let_go->open();
}

TEST_P(hanging, is_named_by_a_limited_join) {
  auto x = run_hanging();

  const auto report = rt().join_for(1ms);

  ASSERT_THAT(report.still_alive, SizeIs(1));
  EXPECT_THAT(report.still_alive[0].activity, HasSubstr("on_value"));
  opened.open();
}

TEST_P(hanging, does_not_keep_others_from_being_drained) {
  auto out = env().make_buffer<int>("out", 8);
  auto x = run_hanging();
  auto source = env().run<counting_source>("source", std::vector{out});
  auto sink = env().run(puma::for_each("sink", out, [](int) {}));
  source.wait_until_running();

  const auto report = rt().drain(2s);

  EXPECT_THAT(report.to_string(), HasSubstr("stuck"));
  EXPECT_TRUE(source.join_for(30s));
  EXPECT_TRUE(sink.join_for(30s));
  opened.open();
}

TEST_P(hanging, ends_by_itself_after_a_drain_that_gave_up) {
  auto x = run_hanging();
  rt().drain(1ms);

  opened.open();

  EXPECT_TRUE(x.join_for(30s));
}

TEST_P(hanging, does_not_make_a_limited_join_of_the_runner_hang) {
  auto x = run_hanging();
  x.stop();

  EXPECT_FALSE(x.join_for(1ms));
  EXPECT_TRUE(x.is_alive());

  opened.open();
  EXPECT_TRUE(x.join_for(30s));
}

/// A runtime of its own, with little patience.
class teardown : public ::testing::Test {
 protected:
  puma::testing::capture_logs log;
  std::shared_ptr<gate> entered = std::make_shared<gate>();
  std::shared_ptr<gate> opened = std::make_shared<gate>();
};

TEST_F(teardown, of_a_runner_gives_up_after_its_time_and_says_so) {
  std::optional<puma::runtime> rt{
    std::in_place,
    puma::runtime_options{.threads = 2, .teardown_timeout = 50ms}};
  puma::thread_environment env{*rt};
  std::optional<puma::runner> x = env.run<idler>(
    puma::dedicated, "stuck", [e = entered, o = opened](idler&) {
      e->open();
      o->pass();
    });
  entered->pass();

  const auto begin = steady::now();
  x.reset();

  EXPECT_LT(steady::now() - begin, 10s);
  EXPECT_EQ(log.count(log_level::error, "'stuck'"), 1u) << log.to_string();
  EXPECT_EQ(log.count(log_level::error, "on_start"), 1u) << log.to_string();
  opened->open();
}

TEST_F(teardown, of_many_runners_shares_one_time_limit) {
  std::optional<puma::runtime> rt{
    std::in_place,
    puma::runtime_options{.threads = 2, .teardown_timeout = 500ms}};
  puma::thread_environment env{*rt};
  std::vector<puma::runner> all;
  for (int i = 0; i != 40; ++i)
    all.push_back(env.run<idler>(puma::dedicated, "stuck",
                                 [o = opened](idler&) { o->pass(); }));
  for (auto& x : all)
    x.wait_until_running();

  const auto begin = steady::now();
  all.clear();

  EXPECT_LT(steady::now() - begin, 10s);
  opened->open();
}

TEST_P(hanging, keeps_a_group_from_its_restart_until_it_ends) {
  const auto guard = env().supervisor(
    "guard", {.then = puma::on_failure::restart,
              .strategy = puma::restart_strategy::one_for_all});
  auto other = env().make_buffer<int>("other", 8);
  const auto x = guard.run<stage>("stuck", in, std::vector<int_buffer>{},
                                  script{.on_value = [this](stage&, int&) {
                                    entered.open();
                                    opened.pass();
                                  }});
  std::atomic<int> starts{0};
  const auto y = guard.run<stage>(
    "y", other, std::vector<int_buffer>{},
    script{.on_start = [&starts](stage&) { ++starts; },
           .on_value = [](stage&, int&) { throw std::runtime_error{"y"}; }});
  publish_all(in, 1, 1);
  entered.pass();

  publish_all(other, 1, 1);
  ASSERT_TRUE(eventually([&] {
    return log.count(log_level::warning, "left to its supervisor") == 1;
  }));
  EXPECT_EQ(starts, 1);
  opened.open();

  EXPECT_TRUE(eventually([&] { return starts == 2; }));
}

TEST_P(hanging, fails_the_group_that_has_to_wait_too_long_for_it) {
  const auto guard = env().supervisor(
    "guard", {.then = puma::on_failure::restart,
              .strategy = puma::restart_strategy::one_for_all,
              .stop_timeout = 50ms});
  auto other = env().make_buffer<int>("other", 8);
  auto x = guard.run<stage>("stuck", in, std::vector<int_buffer>{},
                            script{.on_value = [this](stage&, int&) {
                              entered.open();
                              opened.pass();
                            }});
  auto y = guard.run<stage>(
    "y", other, std::vector<int_buffer>{},
    script{.on_value = [](stage&, int&) { throw std::runtime_error{"y"}; }});
  publish_all(in, 1, 1);
  entered.pass();

  publish_all(other, 1, 1);
  ASSERT_TRUE(y.join_for(10s));

  try {
    y.check_for_exceptions();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const puma::still_alive_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'stuck'"));
    EXPECT_THAT(error.what(), HasSubstr("on_value"));
  }
  opened.open();
}

} // namespace
