// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <functional>
#include <optional>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::publish_result;
using puma::receive_status;
using ::testing::ElementsAre;

namespace {

/// Hooks that wait. Who ends the wait is a runnable, so that the virtual
/// runtime has something to run meanwhile.
class waiting : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 1);

  puma::runner run_dedicated(idler::start_function what) {
    return env().run<idler>(puma::dedicated, "waiting", std::move(what));
  }

  /// Runs `what` in a hook of a pooled runnable, and returns what it throws.
  void expect_refused(const std::function<void()>& what) {
    auto x = env().run<idler>("pooled", [&](idler& self) {
      EXPECT_THROW(what(), puma::usage_error);
      self.stop();
    });
    x.join();
    EXPECT_NO_THROW(x.check_for_exceptions());
  }

  /// Stops a dedicated runnable while it is in `what`, and expects a normal
  /// end.
  void expect_stopped(const std::function<void()>& what) {
    events seen;
    auto x = run_dedicated([&](idler&) {
      auto out_end = in.open_publisher();
      out_end.publish(1); // to the stopper
      try {
        what();
        seen.add("returned");
      } catch (const puma::stopped&) {
        seen.add("stopped");
        throw;
      }
    });
    auto stopper = env().run(
      puma::for_each("stopper", in, [&](int) { x.stop(); }));

    x.join();

    EXPECT_THAT(seen.entries(), ElementsAre("stopped"));
    EXPECT_NO_THROW(x.check_for_exceptions());
    EXPECT_FALSE(x.last_failure());
  }
};

INSTANTIATE_TEST_SUITE_P(, waiting, no_hosting, without_hosting);

// -- dedicated ----------------------------------------------------------------

TEST_P(waiting, in_publish_ends_when_there_is_room) {
  auto x = run_dedicated([&](idler& self) {
    self.outs.open(self.publish_to(out));
    for (int i = 1; i <= 100; ++i)
      EXPECT_EQ(self.outs[0].publish(i), publish_result::accepted);
    self.stop();
  });
  numbers seen;
  auto sink = env().run(
    puma::for_each("sink", out, [&](int n) { seen.add(n); }));

  sink.join();

  EXPECT_EQ(seen.entries(), numbers_to(100));
}

TEST_P(waiting, in_publish_for_ends_after_its_time) {
  std::optional<publish_result> status;
  auto x = run_dedicated([&](idler& self) {
    self.outs.open(self.publish_to(out));
    self.outs[0].publish(1);
    status = self.outs[0].publish_for(2, 1ms);
    self.stop();
  });

  x.join();

  EXPECT_EQ(status, publish_result::full);
  EXPECT_THAT(rest_of(out), ElementsAre(1));
}

TEST_P(waiting, in_next_ends_when_there_is_a_value) {
  numbers seen;
  auto x = run_dedicated([&](idler& self) {
    for (auto& value : out.subscribe())
      seen.add(value);
    self.stop();
  });
  auto source = env().run<counting_source>("source", std::vector{out}, 100);

  x.join();

  EXPECT_EQ(seen.entries(), numbers_to(100));
}

TEST_P(waiting, in_next_for_ends_after_its_time) {
  std::optional<receive_status> status;
  auto x = run_dedicated([&](idler& self) {
    status = out.subscribe().next_for(1ms).status();
    self.stop();
  });

  x.join();

  EXPECT_EQ(status, receive_status::empty);
}

TEST_P(waiting, in_sleep_for_ends_after_its_time) {
  events seen;
  auto x = run_dedicated([&](idler& self) {
    puma::sleep_for(1ms);
    seen.add("awake");
    self.stop();
  });

  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre("awake"));
}

TEST_P(waiting, in_publish_ends_with_a_stop) {
  publish_all(out, 1, 1);
  expect_stopped([&] {
    auto end = out.open_publisher();
    end.publish(2);
  });
}

TEST_P(waiting, in_next_ends_with_a_stop) {
  expect_stopped([&] { static_cast<void>(out.subscribe().next()); });
}

TEST_P(waiting, in_sleep_for_ends_with_a_stop) {
  expect_stopped([] { puma::sleep_for(1h); });
}

TEST_P(waiting, for_an_event_ends_with_a_stop) {
  expect_stopped([never = env().make_event("never")] { never.wait(); });
}

TEST_P(waiting, for_a_condition_ends_with_a_stop) {
  expect_stopped([never = env().make_condition("never")] {
    never.wait([] { return false; });
  });
}

TEST_P(waiting, ended_by_a_stop_completes_the_outputs) {
  auto x = run_dedicated([&](idler& self) {
    self.outs.open(self.publish_to(out));
    self.outs.publish(1);
    self.outs.publish(2); // waits
  });
  auto stopper = env().run(
    puma::for_each("stopper", in, [&](int) { x.stop(); }));
  ASSERT_TRUE(world_name() == "virtual"
              || eventually([&] { return out.stats().waiting == 1; }));
  publish_all(in, 1, 1);
  x.join();

  EXPECT_THAT(rest_of(out), ElementsAre(1));
}

TEST_P(waiting, in_on_complete_ends_with_the_stop_that_led_to_it) {
  auto x = env().run<taking_stage>(
    puma::dedicated, "waiting", in, std::vector{out},
    [&](stage& self, const puma::failure*) {
      self.outs[0].publish(1);
      self.outs[0].publish(2); // there is no room
    });
  x.wait_until_running();

  x.stop();
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_THAT(rest_of(out), ElementsAre(1));
}

TEST_P(waiting, in_a_hook_that_swallows_the_stop_ends_all_the_same) {
  auto x = run_dedicated([&](idler&) {
    auto to_stopper = in.open_publisher();
    to_stopper.publish(1);
    try {
      puma::sleep_for(1h);
    } catch (const puma::stopped&) {
    }
  });
  auto stopper = env().run(
    puma::for_each("stopper", in, [&](int) { x.stop(); }));

  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
}

// -- pooled -------------------------------------------------------------------

TEST_P(waiting, in_next_is_refused_in_a_pooled_runnable) {
  expect_refused([&] { static_cast<void>(in.subscribe().next()); });
}

TEST_P(waiting, in_next_for_is_refused_in_a_pooled_runnable) {
  expect_refused([&] { static_cast<void>(in.subscribe().next_for(1ms)); });
}

TEST_P(waiting, in_sleep_for_is_refused_in_a_pooled_runnable) {
  expect_refused([] { puma::sleep_for(1ms); });
}

TEST_P(waiting, for_an_event_is_refused_in_a_pooled_runnable) {
  auto never = env().make_event("never");

  expect_refused([&] { never.wait(); });
  expect_refused([&] { static_cast<void>(never.wait_for(1h)); });
}

TEST_P(waiting, for_a_condition_is_refused_in_a_pooled_runnable) {
  auto never = env().make_condition("never");

  expect_refused([&] { never.wait([] { return false; }); });
  expect_refused(
    [&] { static_cast<void>(never.wait_for(1h, [] { return false; })); });
}

TEST_P(waiting, for_another_runnable_is_refused_in_a_pooled_one) {
  auto other = env().run<stage>("other", in);
  other.wait_until_running();

  expect_refused([&] { other.join(); });
  expect_refused([&] { static_cast<void>(other.join_for(1h)); });
}

TEST_P(waiting, for_all_is_refused_in_a_hook) {
  expect_refused([&] { rt().join(); });
  expect_refused([&] { static_cast<void>(rt().join_for(1ms)); });
  expect_refused([&] { rt().drain(1ms); });
}

TEST_P(waiting, is_not_what_publish_for_does_in_a_pooled_runnable) {
  std::optional<publish_result> status;
  auto x = env().run<idler>("pooled", [&](idler& self) {
    auto end = self.publish_to(out);
    end.publish(1);
    status = end.publish_for(2, 1h);
    self.stop();
  });

  x.join();

  EXPECT_NE(status, publish_result::closed);
}

/// Waits at its ends, which may be closed by calls meanwhile.
class closable : public puma::command_driven_runnable {
 public:
  closable(const int_buffer& in, const int_buffer& out, numbers results)
    : command_driven_runnable("closable"),
      in_(in.subscribe()),
      out_(publish_to(out)),
      results_(results) {}

  void close_output() { out_.close(); }
  void complete_output() { out_.complete(); }
  void close_input() { in_.unsubscribe(); }

 protected:
  void on_start() override {
    results_.add(static_cast<int>(out_.publish(1)));
    results_.add(static_cast<int>(out_.publish(2)));
    results_.add(in_.next() ? 1 : 0);
    stop();
  }

 private:
  puma::subscription<int> in_;
  puma::publisher<int> out_;
  numbers results_;
};

TEST_P(waiting, ends_when_a_call_closes_what_is_waited_for) {
  numbers results;
  auto hold = out.open_publisher(); // the stream does not end
  auto x = env().run<closable>(puma::dedicated, in, out, results);

  x.call<&closable::close_output>();
  // Otherwise the same wait might make both calls.
  EXPECT_TRUE(eventually([&] { return results.entries().size() == 2; }));
  x.call<&closable::close_input>();
  x.join();

  EXPECT_THAT(results.entries(),
              ElementsAre(static_cast<int>(publish_result::accepted),
                          static_cast<int>(publish_result::closed), 0));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(waiting, ends_when_a_call_completes_what_is_waited_for) {
  numbers results;
  auto hold = out.open_publisher();
  auto x = env().run<closable>(puma::dedicated, in, out, results);

  x.call<&closable::complete_output>();
  // Otherwise the same wait might make both calls.
  EXPECT_TRUE(eventually([&] { return results.entries().size() == 2; }));
  x.call<&closable::close_input>();
  x.join();

  EXPECT_THAT(results.entries(),
              ElementsAre(static_cast<int>(publish_result::accepted),
                          static_cast<int>(publish_result::closed), 0));
  EXPECT_EQ(out.stats().accepted, 1u);
}

} // namespace
