// SPDX-License-Identifier: Apache-2.0

#include "puma/base/failure.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <optional>
#include <string>
#include <vector>

using namespace puma_test;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

void fail_on_three(stage& self, int& x) {
  if (x == 3)
    throw sensor_broken{x};
  self.outs.publish(x);
}

class an_error : public environment_test {
 protected:
  int_buffer a = env().make_buffer<int>("a", 8);
  int_buffer b = env().make_buffer<int>("b", 8);
  int_buffer c = env().make_buffer<int>("c", 8);
  int_buffer d = env().make_buffer<int>("d", 8);

  /// Runs three stages, of which the last one has no output; the first one
  /// fails with its third value. Ends when all three have: a failure passes on
  /// before the runnable that had it is gone.
  void run_three_stages() {
    first_ = run<stage>("first", a, std::vector{b},
                        script{.on_value = fail_on_three});
    second_ = run<stage>("second", b, std::vector{c});
    third_ = run<stage>("third", c);
    publish_all(a, 1, 3);
    first_.join();
    second_.join();
    third_.join();
  }

  /// Runs one failing stage before two sinks.
  void run_two_sinks() {
    first_ = run<stage>("first", a, std::vector{b, c},
                        script{.on_value = fail_on_three});
    second_ = run<stage>("second", b);
    third_ = run<stage>("third", c);
    publish_all(a, 1, 3);
    first_.join();
    second_.join();
    third_.join();
  }

  puma::runner first_;
  puma::runner second_;
  puma::runner third_;

  void TearDown() override {
    first_ = {};
    second_ = {};
    third_ = {};
  }
};

INSTANTIATE_TEST_SUITE_P(, an_error, any_hosting, with_hosting);

// -- origin -------------------------------------------------------------------

TEST_P(an_error, keeps_its_type_and_its_members_through_three_stages) {
  run_three_stages();

  try {
    third_.check_for_exceptions();
    FAIL() << "threw nothing";
  } catch (const sensor_broken& error) {
    EXPECT_STREQ(error.what(), "sensor broken");
    EXPECT_EQ(error.code, 3);
  }
}

TEST_P(an_error, tells_its_origin_in_the_catch_clause) {
  run_three_stages();

  std::optional<puma::failure> origin;
  try {
    third_.check_for_exceptions();
  } catch (const sensor_broken&) {
    origin = puma::current_failure();
  }

  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->runnable(), "first");
  EXPECT_THAT(std::string{origin->activity()},
              AllOf(HasSubstr("on_value"), HasSubstr("value 3")));
  EXPECT_THAT(std::string{origin->type()}, HasSubstr("sensor_broken"));
  EXPECT_EQ(origin->text(), "sensor broken");
  EXPECT_THAT(std::string{origin->node()}, HasSubstr("/"));
}

TEST_P(an_error, tells_its_origin_to_a_subscription) {
  auto x = run<stage>("first", a, std::vector{b},
                      script{.on_value = fail_on_three});
  auto y = run<stage>("second", b, std::vector{c});
  publish_all(a, 1, 3);

  std::optional<puma::failure> origin;
  try {
    rest_of(c);
  } catch (const sensor_broken&) {
    origin = puma::current_failure();
  }

  ASSERT_TRUE(origin);
  EXPECT_EQ(origin->runnable(), "first");
}

TEST_P(an_error, is_described_in_one_line) {
  run_three_stages();

  const auto text = third_.last_failure()->describe();

  EXPECT_THAT(text,
              AllOf(HasSubstr("first"), HasSubstr("on_value"),
                    HasSubstr("sensor broken"), HasSubstr("sensor_broken")));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_THROW(third_.check_for_exceptions(), sensor_broken);
}

TEST_P(an_error, has_one_identity_in_all_stages) {
  run_three_stages();

  ASSERT_TRUE(first_.last_failure() && second_.last_failure()
              && third_.last_failure());
  EXPECT_EQ(first_.last_failure()->id(), third_.last_failure()->id());
  EXPECT_EQ(second_.last_failure()->id(), third_.last_failure()->id());
  EXPECT_THROW(third_.check_for_exceptions(), sensor_broken);
}

TEST_P(an_error, of_on_start_names_that_hook) {
  auto x = run<idler>("idler", [](idler&) { throw sensor_broken{1}; });
  x.join();

  ASSERT_TRUE(x.last_failure());
  EXPECT_EQ(x.last_failure()->runnable(), "idler");
  EXPECT_THAT(std::string{x.last_failure()->activity()}, HasSubstr("on_start"));
}

TEST_P(an_error, of_on_demand_names_that_hook) {
  auto x = run<counting_source>("source", std::vector{a}, std::nullopt,
                                [](int) { throw sensor_broken{1}; });
  x.join();

  ASSERT_TRUE(x.last_failure());
  EXPECT_THAT(std::string{x.last_failure()->activity()},
              HasSubstr("on_demand"));
}

TEST_P(an_error, of_a_plain_thread_has_no_runnable) {
  auto x = run<stage>("sink", a);
  a.open_publisher().fail(sensor_broken{1});
  x.join();

  ASSERT_TRUE(x.last_failure());
  EXPECT_THAT(x.last_failure()->runnable(), IsEmpty());
  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
}

TEST_P(an_error, may_be_anything_that_can_be_thrown) {
  auto x = run<idler>("idler", [](idler&) { throw 17; });
  x.join();

  EXPECT_THROW(x.check_for_exceptions(), int);
}

// -- thrown once --------------------------------------------------------------

TEST_P(an_error, is_thrown_where_the_stream_ends) {
  run_three_stages();

  EXPECT_THROW(third_.check_for_exceptions(), sensor_broken);

  EXPECT_NO_THROW(first_.check_for_exceptions());
  EXPECT_NO_THROW(second_.check_for_exceptions());
  EXPECT_NO_THROW(rt().join());
}

TEST_P(an_error, at_two_sinks_is_thrown_by_the_first_that_checks) {
  run_two_sinks();

  EXPECT_THROW(third_.check_for_exceptions(), sensor_broken);

  EXPECT_NO_THROW(second_.check_for_exceptions());
  EXPECT_NO_THROW(third_.check_for_exceptions());
  EXPECT_NO_THROW(rt().join());
}

TEST_P(an_error, at_two_sinks_is_thrown_by_join_if_that_comes_first) {
  run_two_sinks();

  EXPECT_THROW(rt().join(), sensor_broken);

  EXPECT_NO_THROW(second_.check_for_exceptions());
  EXPECT_NO_THROW(third_.check_for_exceptions());
  EXPECT_NO_THROW(rt().join());
}

TEST_P(an_error, of_each_of_two_runnables_is_thrown) {
  auto x = run<idler>("x", [](idler&) { throw sensor_broken{1}; });
  auto y = run<idler>("y", [](idler&) { throw sensor_broken{1}; });
  x.join();
  y.join();

  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
  EXPECT_THROW(y.check_for_exceptions(), sensor_broken);
}

} // namespace
