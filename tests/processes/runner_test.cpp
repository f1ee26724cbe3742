// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <csignal>

#include <sys/wait.h>
#include <unistd.h>

using namespace puma_test;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// Ends at once.
class short_lived : public puma::command_driven_runnable {
 public:
  explicit short_lived(std::string name)
    : command_driven_runnable(std::move(name)) {}

 protected:
  void on_start() override { stop(); }
};

class runners : public place_test {
 protected:
  puma::buffer<int> in = env().make_buffer<int>("in", 8);
  puma::buffer<int> out = env().make_buffer<int>("out", 8);
};

INSTANTIATE_TEST_SUITE_P(, runners, any_place_at_all, place_name);

TEST_P(runners, start_what_was_prepared) {
  auto x = env().make<passing<int>>("stage"s, in, out);
  EXPECT_FALSE(x.is_alive());

  x.start();

  wait_for(x);
  EXPECT_TRUE(x.is_alive());
}

TEST_P(runners, start_only_once) {
  auto x = env().run<passing<int>>("stage"s, in, out);

  EXPECT_THROW(x.start(), usage_error);
  wait_for(x);
  EXPECT_THROW(x.start(), usage_error);
  x.stop();
  join(x);
  EXPECT_THROW(x.start(), usage_error);
}

TEST_P(runners, that_were_not_started_refuse_to_wait) {
  auto x = env().make<passing<int>>("stage"s, in, out);

  EXPECT_THROW(static_cast<void>(x.wait_until_running_for(1ms)), usage_error);
  EXPECT_THROW(static_cast<void>(x.join_for(1ms)), usage_error);
}

TEST_P(runners, that_were_not_started_may_go) {
  { auto x = env().make<passing<int>>("stage"s, in, out); }
  auto y = env().run<passing<int>>("stage"s, in, out);
  auto to = in.open_publisher();
  send(to, 1);
  to.complete();

  EXPECT_EQ(read_all(out), std::vector{1});
}

TEST_P(runners, know_kind_and_name) {
  auto x = env().run<passing<int>>("stage"s, in, out);
  wait_for(x);

  EXPECT_EQ(x.name(), "runnable 'stage'");
}

TEST_P(runners, count_what_ended_at_once_as_having_run) {
  auto x = env().run<short_lived>("short"s);
  join(x);

  EXPECT_NO_THROW(x.wait_until_running());
  EXPECT_TRUE(x.wait_until_running_for(0ms));
  EXPECT_FALSE(x.is_alive());
}

TEST_P(runners, have_nothing_to_throw_while_all_is_well) {
  auto x = env().run<passing<int>>("stage"s, in, out);
  wait_for(x);

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_FALSE(x.last_failure());
}

TEST_P(runners, give_up_joining_after_their_time) {
  auto x = env().run<passing<int>>("stage"s, in, out);

  EXPECT_FALSE(x.join_for(1ms));
  EXPECT_TRUE(x.is_alive());
}

TEST_P(runners, may_stop_twice_and_after_the_end) {
  auto x = env().run<passing<int>>("stage"s, in, out);

  x.stop();
  x.stop();
  join(x);
  x.stop();

  EXPECT_FALSE(x.is_alive());
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(runners, may_stop_what_has_not_been_constructed) {
  auto x = env().run<passing<int>>("stage"s, in, out);

  x.stop();

  EXPECT_TRUE(read_all(out).empty());
  join(x);
}

TEST_P(runners, end_their_runnables_when_they_go) {
  {
    auto x = env().run<passing<int>>("stage"s, in, out);
    wait_for(x);
  }

  EXPECT_TRUE(read_all(out).empty());
}

TEST_P(runners, that_stop_a_source_complete_its_output) {
  auto x = env().run<counting<int>>("source"s, out, 1, 2'000'000'000);
  auto from = out.subscribe();
  EXPECT_EQ(read(from, 100).values, numbers(1, 100));

  x.stop();

  const auto rest = read(from);
  EXPECT_EQ(to_string(rest.end), "completed");
  EXPECT_EQ(rest.values,
            numbers(101, 100 + static_cast<int>(rest.values.size())));
  join(x);
}

TEST_P(runners, outlive_their_runtime) {
  auto x = env().run<passing<int>>("stage"s, in, out);
  wait_for(x);

  destroy_runtime();

  EXPECT_FALSE(x.is_alive());
  EXPECT_EQ(x.name(), "runnable 'stage'");
  EXPECT_TRUE(x.join_for(patience));
  EXPECT_NO_THROW(x.stop());
}

// -- the runtime --------------------------------------------------------------

TEST_P(runners, are_joined_by_the_runtime) {
  auto source = env().run<counting<int>>("source"s, in, 1, 1000);
  auto stage = env().run<passing<int>>("stage"s, in, out);
  auto end = env().run<sink>("sink"s, out);
  auto ids = env().make_buffer<int>("ids", 1);
  auto idler = env().run<telling_process>("idler"s, ids);

  join(rt());

  EXPECT_FALSE(source.is_alive());
  EXPECT_FALSE(stage.is_alive());
  EXPECT_FALSE(end.is_alive());
  EXPECT_FALSE(idler.is_alive());
}

TEST_P(runners, are_named_by_a_join_that_gives_up) {
  auto stage = env().run<passing<int>>("stage"s, in, out);
  wait_for(stage);

  const auto report = rt().join_for(10ms);

  ASSERT_EQ(report.still_alive.size(), 1u);
  EXPECT_THAT(report.still_alive[0].name, HasSubstr("stage"));
  EXPECT_TRUE(stage.is_alive());
}

TEST_P(runners, drain) {
  auto source = env().run<counting<int>>("source"s, in, 1, 2'000'000'000);
  auto stage = env().run<passing<int>>("stage"s, in, out);
  auto last = env().make_buffer<int>("last", 100'000'000);
  auto second = env().run<passing<int>>("second"s, out, last);
  auto from = last.subscribe();
  EXPECT_EQ(read(from, 1000).values, numbers(1, 1000));

  const auto report = rt().drain(patience);

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_FALSE(source.is_alive());
  const auto rest = read(from);
  EXPECT_EQ(to_string(rest.end), "completed");
  EXPECT_EQ(rest.values,
            numbers(1001, 1000 + static_cast<int>(rest.values.size())));
  EXPECT_NO_THROW(join(rt()));
}

TEST_P(runners, drain_what_the_test_publishes) {
  auto stage = env().run<passing<int>>("stage"s, in, out);
  auto end = env().run<sink>("sink"s, out);
  auto to = in.open_publisher();
  send_numbers(to, 1, 100);

  const auto report = rt().drain(patience);

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_EQ(to_string(to.publish_for(101, 1ms)), "closed");
}

TEST_P(runners, that_cannot_drain_are_stopped_in_time) {
  auto source = env().run<counting<int>>("source"s, in, 1, 2'000'000'000);
  auto stage = env().run<passing<int>>("stage"s, in, out);
  EXPECT_TRUE(eventually([&] { return out.stats().waiting == 8; }));

  const auto before = steady::now();
  const auto report = rt().drain(300ms);

  EXPECT_LT(steady::now() - before, patience);
  join(source);
  join(stage);
}

TEST_P(runners, are_stopped_when_the_runtime_goes) {
  auto source = env().run<counting<int>>("source"s, in, 1, 2'000'000'000);
  auto stage = env().run<passing<int>>("stage"s, in, out);
  EXPECT_EQ(read(out, 100).values, numbers(1, 100));

  const auto before = steady::now();
  destroy_runtime();

  EXPECT_LT(steady::now() - before, patience);
  EXPECT_FALSE(source.is_alive());
  EXPECT_FALSE(stage.is_alive());
}

TEST_P(runners, are_stopped_at_once_by_the_runtime) {
  auto source = env().run<counting<int>>("source"s, in, 1, 2'000'000'000);
  auto stage = env().run<passing<int>>("stage"s, in, out);
  wait_for(stage);

  rt().stop();

  join(source);
  join(stage);
  const auto rest = read(out);
  EXPECT_EQ(to_string(rest.end), "completed");
}

// -- dedicated ----------------------------------------------------------------

/// Publishes without end from `on_start`; says how it ended.
class blocked_in_publish : public puma::command_driven_runnable {
 public:
  blocked_in_publish(std::string name, const puma::buffer<int>& out,
                     const puma::buffer<std::string>& said)
    : command_driven_runnable(std::move(name)),
      out_(publish_to(out)),
      said_(publish_to(said)) {}

 protected:
  void on_start() override {
    said_.publish("here");
    try {
      while (out_.publish(1) == puma::publish_result::accepted)
        ;
      said_.publish("closed");
      stop();
    } catch (const puma::stopped&) {
      said_.publish("stopped");
      throw;
    }
  }

 private:
  puma::publisher<int> out_;
  puma::publisher<std::string> said_;
};

/// Waits for values by `next`; says what it got.
class blocked_in_next : public puma::source_runnable {
 public:
  blocked_in_next(std::string name, const puma::buffer<int>& in,
                  const puma::buffer<std::string>& said)
    : source_runnable(std::move(name)),
      in_(in),
      said_(publish_to(said)) {}

 protected:
  void on_start() override { said_.publish("here"); }

  bool on_demand() override {
    auto in = in_.subscribe();
    try {
      while (auto x = in.next())
        said_.publish("value " + std::to_string(*x));
      said_.publish("complete");
    } catch (const puma::stopped&) {
      said_.publish("stopped");
      throw;
    }
    return false;
  }

 private:
  puma::buffer<int> in_;
  puma::publisher<std::string> said_;
};

class sleeping : public puma::command_driven_runnable {
 public:
  sleeping(std::string name, const puma::buffer<std::string>& said)
    : command_driven_runnable(std::move(name)),
      said_(publish_to(said)) {}

 protected:
  void on_start() override {
    said_.publish("here");
    puma::sleep_for(1h);
  }

 private:
  puma::publisher<std::string> said_;
};

class dedicated_runners : public runners {
 protected:
  puma::buffer<std::string> said = env().make_buffer<std::string>("said", 64);
};

INSTANTIATE_TEST_SUITE_P(, dedicated_runners, any_place_at_all, place_name);

TEST_P(dedicated_runners, that_wait_in_publish_are_stopped) {
  auto x = env().run<blocked_in_publish>(puma::dedicated, "x"s, out, said);
  EXPECT_TRUE(eventually([&] { return out.stats().waiting >= 8; }));

  x.stop();

  join(x);
  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_EQ(read_all(said), (std::vector{"here"s, "stopped"s}));
  const auto rest = read(out);
  EXPECT_EQ(to_string(rest.end), "completed");
  EXPECT_EQ(rest.values.size(), 8u);
}

TEST_P(dedicated_runners, that_wait_in_next_are_stopped) {
  auto x = env().run<blocked_in_next>(puma::dedicated, "x"s, in, said);
  auto heard = said.subscribe();
  EXPECT_EQ(read_one(heard), "here");
  auto to = in.open_publisher();
  send(to, 1);
  EXPECT_EQ(read_one(heard), "value 1");

  x.stop();

  join(x);
  EXPECT_EQ(read(heard).values, std::vector{"stopped"s});
}

TEST_P(dedicated_runners, receive_by_next_until_the_end) {
  auto x = env().run<blocked_in_next>(puma::dedicated, "x"s, in, said);
  auto source = env().run<counting<int>>("source"s, in, 1, 3);

  EXPECT_EQ(read_all(said), (std::vector{"here"s, "value 1"s, "value 2"s,
                                         "value 3"s, "complete"s}));
  join(x);
}

TEST_P(dedicated_runners, that_sleep_are_stopped) {
  auto x = env().run<sleeping>(puma::dedicated, "x"s, said);
  EXPECT_EQ(read_one(said), "here");

  x.stop();

  join(x);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(dedicated_runners, go_with_the_runtime) {
  auto x = env().run<sleeping>(puma::dedicated, "x"s, said);
  auto y = env().run<blocked_in_publish>(puma::dedicated, "y"s, out, said);
  EXPECT_EQ(read(said, 2).values.size(), 2u);

  const auto before = steady::now();
  destroy_runtime();

  EXPECT_LT(steady::now() - before, patience);
}

TEST_P(dedicated_runners, pass_many_values_on) {
  auto source = env().run<counting<int>>(puma::dedicated, "source"s, in, 1,
                                         2'000);
  auto stage = env().run<passing<int>>(puma::dedicated, "stage"s, in, out);

  EXPECT_EQ(read_all(out), numbers(1, 2'000));
}

} // namespace
