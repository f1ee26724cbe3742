// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/runner.hpp"

#include "puma/base/error.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::usage_error;
using ::testing::HasSubstr;

namespace {

class a_runner : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);
};

INSTANTIATE_TEST_SUITE_P(, a_runner, any_hosting, with_hosting);

// -- starting -----------------------------------------------------------------

TEST_P(a_runner, starts_what_was_prepared) {
  auto x = make<stage>("stage", in, std::vector{out});
  EXPECT_FALSE(x.is_alive());

  x.start();

  x.wait_until_running();
  EXPECT_TRUE(x.is_alive());
}

TEST_P(a_runner, cannot_be_started_twice) {
  auto x = run<stage>("stage", in);

  EXPECT_THROW(x.start(), usage_error);
  x.wait_until_running();
  EXPECT_THROW(x.start(), usage_error);
}

TEST_P(a_runner, cannot_be_started_again_after_the_end) {
  auto x = run<idler>("idler", [](idler& self) { self.stop(); });
  x.join();

  EXPECT_THROW(x.start(), usage_error);
}

TEST_P(a_runner, that_was_not_started_refuses_to_wait) {
  auto x = make<stage>("stage", in);

  EXPECT_THROW(x.wait_until_running(), usage_error);
  EXPECT_THROW(static_cast<void>(x.wait_until_running_for(1ms)), usage_error);
  EXPECT_THROW(x.join(), usage_error);
  EXPECT_THROW(static_cast<void>(x.join_for(1ms)), usage_error);
}

TEST_P(a_runner, of_nothing_refuses_everything) {
  auto x = run<stage>("stage", in);
  const auto y = std::move(x);

  // What a moved-from runner does is part of its contract.
  for (auto* empty : {&x}) {
    EXPECT_THROW(empty->start(), usage_error);
    EXPECT_THROW(empty->stop(), usage_error);
    EXPECT_THROW(empty->join(), usage_error);
    EXPECT_THROW(empty->wait_until_running(), usage_error);
    EXPECT_THROW(empty->check_for_exceptions(), usage_error);
    EXPECT_THROW(static_cast<void>(empty->is_alive()), usage_error);
    EXPECT_THROW(static_cast<void>(empty->name()), usage_error);
    EXPECT_THROW(static_cast<void>(empty->last_failure()), usage_error);
  }
  EXPECT_THROW(puma::runner{}.join(), usage_error);
}

TEST_P(a_runner, may_be_moved) {
  auto x = run<stage>("stage", in);
  puma::runner y = std::move(x);
  puma::runner z;
  z = std::move(y);

  z.wait_until_running();

  EXPECT_TRUE(z.is_alive());
}

TEST_P(a_runner, that_is_assigned_to_ends_what_it_had) {
  auto first = run<stage>("first", in, std::vector{out});
  auto second = run<idler>("second");
  first.wait_until_running();

  first = std::move(second);

  EXPECT_TRUE(rest_of(out).empty());
  first.wait_until_running();
  EXPECT_THAT(first.name(), HasSubstr("'second'"));
}

TEST_P(a_runner, knows_its_kind_and_name) {
  auto x = run<stage>("squarer", in);
  x.wait_until_running();

  EXPECT_EQ(x.name(), "runnable 'squarer'");
}

TEST_P(a_runner, knows_the_type_of_what_is_not_yet_constructed) {
  auto x = make<stage>("squarer", in);

  EXPECT_THAT(x.name(), HasSubstr("stage"));
}

// -- running ------------------------------------------------------------------

TEST_P(a_runner, counts_what_ended_at_once_as_having_run) {
  auto x = run<idler>("idler", [](idler& self) { self.stop(); });
  x.join();

  EXPECT_NO_THROW(x.wait_until_running());
  EXPECT_TRUE(x.wait_until_running_for(0ms));
  EXPECT_FALSE(x.is_alive());
}

TEST_P(a_runner, throws_what_failed_at_once_when_waiting_for_it_to_run) {
  auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
  x.join();

  EXPECT_THROW(x.wait_until_running(), sensor_broken);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_runner, throws_what_failed_at_once_at_the_next_check) {
  auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
  x.join();

  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
  EXPECT_NO_THROW(x.wait_until_running());
}

TEST_P(a_runner, throws_an_error_once) {
  auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
  x.join();

  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_runner, has_nothing_to_throw_while_all_is_well) {
  auto x = run<stage>("stage", in);
  x.wait_until_running();

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_FALSE(x.last_failure());
}

TEST_P(a_runner, keeps_the_last_failure_when_it_was_thrown) {
  auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
  x.join();
  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);

  ASSERT_TRUE(x.last_failure());
  EXPECT_EQ(x.last_failure()->text(), "sensor broken");
}

// -- ending -------------------------------------------------------------------

TEST_P(a_runner, gives_up_joining_after_its_time) {
  auto x = run<stage>("stage", in);

  EXPECT_FALSE(x.join_for(1ms));

  EXPECT_TRUE(x.is_alive());
}

TEST_P(a_runner, joins_what_has_ended) {
  auto x = run<stage>("stage", in);
  stream_all(in, 1, 3);

  EXPECT_TRUE(x.join_for(30s));
  EXPECT_TRUE(x.join_for(0ms));
  x.join();

  EXPECT_FALSE(x.is_alive());
}

TEST_P(a_runner, may_stop_twice) {
  auto x = run<stage>("stage", in);

  x.stop();
  x.stop();
  x.join();
  x.stop();

  EXPECT_FALSE(x.is_alive());
}

TEST_P(a_runner, may_stop_what_has_not_been_constructed_yet) {
  auto x = run<stage>("stage", in, std::vector{out});

  x.stop();

  EXPECT_TRUE(rest_of(out).empty());
}

TEST_P(a_runner, ends_its_runnable_when_it_goes) {
  {
    auto x = run<stage>("stage", in, std::vector{out});
    x.wait_until_running();
  }

  EXPECT_EQ(out.subscribe().try_next().status(),
            puma::receive_status::completed);
}

TEST_P(a_runner, does_not_throw_when_it_goes_with_an_error) {
  {
    auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
    x.join();
  }

  EXPECT_THROW(rt().join(), sensor_broken);
}

// -- and its runtime ----------------------------------------------------------

TEST_P(a_runner, that_outlives_its_runtime_says_that_all_is_over) {
  auto x = run<stage>("stage", in);
  x.wait_until_running();

  destroy_runtime();

  EXPECT_FALSE(x.is_alive());
  EXPECT_EQ(x.name(), "runnable 'stage'");
}

TEST_P(a_runner, that_outlives_its_runtime_cannot_start) {
  auto x = make<stage>("stage", in);

  destroy_runtime();

  EXPECT_THROW(x.start(), usage_error);
}

TEST_P(a_runner, that_outlives_its_runtime_may_be_stopped_and_joined) {
  auto x = run<stage>("stage", in);
  x.wait_until_running();

  destroy_runtime();

  EXPECT_NO_THROW(x.stop());
  EXPECT_TRUE(x.join_for(30s));
}

} // namespace
