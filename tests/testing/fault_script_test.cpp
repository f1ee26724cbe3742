// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/fault_script.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::testing::fault_script;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using hook = puma::testing::fault_script::hook;

namespace {

void join_and_check(puma::runner& x) {
  x.join();
  x.check_for_exceptions();
}

class faults : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 64);
  numbers seen;
  fault_script script{rt()};

  puma::runner run_sink(const puma::environment& where) {
    return where.run(puma::for_each("sink", in, [&](int n) { seen.add(n); }));
  }

  /// Restarts at once.
  puma::supervisor_environment guard() {
    return env().supervisor("guard", {.then = puma::on_failure::restart,
                                      .max_restarts = 100,
                                      .first_backoff = 0s});
  }
};

INSTANTIATE_TEST_SUITE_P(, faults, any_hosting, with_hosting);

TEST_P(faults, strike_at_the_call_that_they_name) {
  script.fail({.runnable = "sink", .at = 3}, "as planned");
  auto x = run_sink(env());
  stream_all(in, 1, 5);

  try {
    join_and_check(x);
    ADD_FAILURE() << "no error";
  } catch (const puma::injected_fault& error) {
    EXPECT_STREQ(error.what(), "as planned");
  }
  EXPECT_THAT(seen.entries(), ElementsAre(1, 2));
  EXPECT_EQ(in.stats().failed, 1u);
  EXPECT_EQ(in.stats().taken, 3u);
}

TEST_P(faults, strike_nobody_else) {
  script.fail({.runnable = "another"});
  auto x = run_sink(env());
  stream_all(in, 1, 5);

  EXPECT_NO_THROW(join_and_check(x));
  EXPECT_EQ(seen.entries(), numbers_to(5));
}

TEST_P(faults, strike_only_the_instance_that_they_name) {
  script.fail({.runnable = "sink", .at = 2, .instance = 1})
    .fail({.runnable = "sink", .at = 1, .instance = 2});
  auto x = run_sink(guard().with(puma::value_policy::skip(5)));
  stream_all(in, 1, 5);

  EXPECT_NO_THROW(join_and_check(x));
  EXPECT_EQ(seen.entries(), numbers_to(5));
}

TEST_P(faults, strike_each_instance_if_told) {
  script.fail({.runnable = "sink", .at = 1, .instance = 0});
  auto x = run_sink(guard().with(puma::value_policy::skip(1)));
  stream_all(in, 1, 5);

  EXPECT_NO_THROW(join_and_check(x));
  EXPECT_THAT(seen.entries(), ElementsAre());
  EXPECT_EQ(in.stats().skipped, 5u);
}

TEST_P(faults, strike_in_other_hooks) {
  auto out = env().make_buffer<int>("out", 64);
  script.fail({.runnable = "starter", .hook = hook::on_start}, "at the start")
    .fail({.runnable = "source", .hook = hook::on_demand, .at = 4}, "on demand")
    .fail({.runnable = "ender", .hook = hook::on_complete}, "at the end");
  auto text = [](puma::runner& x) -> std::string {
    try {
      join_and_check(x);
    } catch (const puma::injected_fault& error) {
      return error.what();
    }
    return "none";
  };

  auto starter = run<stage>("starter", out);
  EXPECT_EQ(text(starter), "at the start");
  auto ender = run<stage>("ender", env().make_buffer<int>("other", 1));
  auto source = run<counting_source>("source", std::vector{in});
  auto sink = run_sink(env());
  EXPECT_EQ(text(sink), "on demand");
  EXPECT_EQ(seen.entries(), numbers_to(3));
  ender.stop();
  EXPECT_EQ(text(ender), "at the end");
}

TEST_P(faults, do_not_kill_the_process_of_the_test) {
  script.kill({.runnable = "sink"});
  auto x = run_sink(env());
  stream_all(in, 1, 5);

  EXPECT_THROW(join_and_check(x), puma::usage_error);
}

TEST_P(faults, end_with_their_script) {
  { EXPECT_THROW(fault_script{rt()}, puma::usage_error); }
  EXPECT_THROW(script.fail({.runnable = ""}), puma::usage_error);
  EXPECT_THROW(script.hang({.runnable = "sink", .at = 0}), puma::usage_error);
}

TEST_P(faults, that_hang_are_refused_or_go_on_when_released) {
  script.hang({.runnable = "sink", .at = 2});
  auto x = run_sink(env());
  stream_all(in, 1, 3);

  if (world_name() == "virtual") {
    EXPECT_THROW(join_and_check(x), puma::usage_error);
    return;
  }
  EXPECT_FALSE(x.join_for(50ms));
  script.release();
  EXPECT_NO_THROW(join_and_check(x));
  EXPECT_EQ(seen.entries(), numbers_to(3));
}

} // namespace
