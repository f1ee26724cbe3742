// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <stdexcept>
#include <string>

using namespace puma_test;
using puma::log_level;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

namespace {

/// Two subscribers, one of which fails on negative values.
class two_subscribers : public puma::multi_buffer_servicing_runnable {
 public:
  two_subscribers(const int_buffer& a, const int_buffer& b, const events& to)
    : multi_buffer_servicing_runnable("two subscribers"),
      first_("a", to),
      second_("b", to) {
    add_input(a, first_);
    add_input(b, second_);
  }

 private:
  struct touchy : recording_subscriber {
    using recording_subscriber::recording_subscriber;
    void on_value(int& x) override {
      if (x < 0)
        throw sensor_broken{x};
      recording_subscriber::on_value(x);
    }
  };

  touchy first_;
  recording_subscriber second_;
};

void fail_on_negative(stage& self, int& x) {
  if (x < 0)
    throw sensor_broken{x};
  self.outs.publish(x);
}

class ending : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer other = env().make_buffer<int>("other", 8);
  int_buffer out = env().make_buffer<int>("out", 16);
  events seen;

  void tell(const puma::failure* error) {
    seen.add(error ? "failed: " + std::string{error->text()}
                   : std::string{"complete"});
  }
};

INSTANTIATE_TEST_SUITE_P(, ending, any_hosting, with_hosting);

// -- told to subscribers ------------------------------------------------------

TEST_P(ending, by_a_stop_completes_all_subscribers) {
  auto x = run<two_subscribers>(in, other, seen);
  x.wait_until_running();

  x.stop();
  x.join();

  EXPECT_THAT(seen.entries(),
              UnorderedElementsAre("a: complete", "b: complete"));
}

TEST_P(ending, by_an_exception_tells_all_subscribers) {
  auto x = run<two_subscribers>(in, other, seen);

  publish_all(in, -1, -1);
  x.join();

  EXPECT_THAT(seen.entries(), UnorderedElementsAre("a: failed: sensor broken",
                                                   "b: failed: sensor broken"));
}

TEST_P(ending, by_an_error_of_an_input_tells_all_subscribers) {
  auto x = run<two_subscribers>(in, other, seen);

  other.open_publisher().fail(sensor_broken{1});
  x.join();

  EXPECT_THAT(seen.entries(), UnorderedElementsAre("a: failed: sensor broken",
                                                   "b: failed: sensor broken"));
}

TEST_P(ending, by_an_error_does_not_tell_those_whose_input_has_completed) {
  auto x = run<two_subscribers>(in, other, seen);
  stream_all(other, 1, 0);
  ASSERT_TRUE(eventually([&] { return seen.has("b: complete"); }));

  publish_all(in, -1, -1);
  x.join();

  EXPECT_THAT(seen.entries(),
              ElementsAre("b: complete", "a: failed: sensor broken"));
}

// -- told to outputs ----------------------------------------------------------

TEST_P(ending, by_a_stop_completes_the_outputs) {
  auto x = run<stage>("stage", in, std::vector{out, other});
  x.wait_until_running();

  x.stop();

  EXPECT_THAT(rest_of(out), IsEmpty());
  EXPECT_THAT(rest_of(other), IsEmpty());
}

TEST_P(ending, by_its_own_stop_completes_the_outputs) {
  auto x = run<stage>("stage", in, std::vector{out},
                      script{.on_value = [](stage& self, int& value) {
                        self.outs.publish(value);
                        if (value == 2)
                          self.stop();
                      }});

  publish_all(in, 1, 4);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2));
}

TEST_P(ending, by_an_exception_fails_the_outputs_after_what_was_published) {
  auto x = run<stage>("stage", in, std::vector{out, other},
                      script{.on_value = fail_on_negative});
  publish_all(in, 1, 2);
  publish_all(in, -1, -1);

  for (auto& each : {out, other}) {
    auto end = each.subscribe();
    EXPECT_EQ(end.next(), 1);
    EXPECT_EQ(end.next(), 2);
    EXPECT_THROW(static_cast<void>(end.next()), sensor_broken);
  }
}

TEST_P(ending, by_an_error_of_an_input_fails_the_outputs) {
  auto x = run<stage>("stage", in, std::vector{out});
  auto source = in.open_publisher();
  source.publish(1);

  source.fail(sensor_broken{1});

  auto end = out.subscribe();
  EXPECT_EQ(end.next(), 1);
  EXPECT_THROW(static_cast<void>(end.next()), sensor_broken);
}

// -- taken or not -------------------------------------------------------------

TEST_P(ending, by_an_exception_is_thrown_to_the_owner_without_outputs) {
  auto x = run<stage>("stage", in, std::vector<int_buffer>{},
                      script{.on_value = fail_on_negative});

  publish_all(in, -1, -1);
  x.join();

  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
}

TEST_P(ending, by_an_exception_is_not_thrown_to_the_owner_with_a_live_output) {
  auto x = run<stage>("stage", in, std::vector{out},
                      script{.on_value = fail_on_negative});

  publish_all(in, -1, -1);
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(ending, by_an_error_of_an_input_is_taken_by_on_complete) {
  auto x = run<taking_stage>("sink", in, std::vector<int_buffer>{},
                             [&](stage&, const puma::failure* e) { tell(e); });

  in.open_publisher().fail(sensor_broken{1});
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_THAT(seen.entries(), ElementsAre("failed: sensor broken"));
}

TEST_P(ending, by_an_error_leaves_the_outputs_to_who_takes_it) {
  auto x = run<taking_stage>("stage", in, std::vector{out, other},
                             [&](stage& self, const puma::failure* e) {
                               tell(e);
                               self.outs[0].publish(99);
                               self.outs[1].fail(std::domain_error{"mine"});
                             });

  in.open_publisher().fail(sensor_broken{1});

  EXPECT_THAT(rest_of(out), ElementsAre(99));
  EXPECT_THROW(rest_of(other), std::domain_error);
}

TEST_P(ending, by_an_error_that_is_handled_completes_the_outputs) {
  auto x = run<stage>("stage", in, std::vector{out},
                      script{.on_value = fail_on_negative,
                             .on_error = [&](const puma::failure& error) {
                               tell(&error);
                               return true;
                             }});
  publish_all(in, -1, -1);
  x.join();

  EXPECT_THAT(rest_of(out), IsEmpty());
  EXPECT_THAT(seen.entries(), ElementsAre("failed: sensor broken"));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(ending, by_an_error_that_is_not_handled_fails_the_outputs) {
  auto x = run<stage>("stage", in, std::vector{out},
                      script{.on_error = [&](const puma::failure& error) {
                        tell(&error);
                        return false;
                      }});

  in.open_publisher().fail(sensor_broken{1});

  EXPECT_THROW(rest_of(out), sensor_broken);
  EXPECT_THAT(seen.entries(), ElementsAre("failed: sensor broken"));
}

// -- exceptions of on_complete ------------------------------------------------

TEST_P(ending, turns_into_an_error_by_an_exception_of_on_complete) {
  auto x = run<taking_stage>(
    "stage", in, std::vector{out},
    [](stage&, const puma::failure*) { throw sensor_broken{1}; });

  stream_all(in, 1, 1);

  EXPECT_THROW(rest_of(out), sensor_broken);
}

TEST_P(ending, of_a_sink_by_an_exception_of_on_complete_is_thrown) {
  auto x = run<taking_stage>(
    "sink", in, std::vector<int_buffer>{},
    [](stage&, const puma::failure*) { throw sensor_broken{1}; });

  stream_all(in, 1, 1);
  x.join();

  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
}

TEST_P(ending, keeps_the_first_error_and_logs_that_of_on_complete) {
  auto x = run<taking_stage>("sink", in, std::vector<int_buffer>{},
                             [](stage&, const puma::failure*) {
                               throw std::domain_error{"while cleaning up"};
                             });

  in.open_publisher().fail(sensor_broken{1});
  x.join();

  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
  EXPECT_EQ(log.count(log_level::warning, "while cleaning up"), 1u)
    << log.to_string();
}

} // namespace
