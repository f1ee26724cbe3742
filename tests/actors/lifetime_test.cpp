// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/items.hpp"
#include "tests/support/stages.hpp"

#include <memory>
#include <string>
#include <utility>

using namespace puma_test;
using ::testing::ElementsAre;

namespace {

/// What the tests let the object below do.
enum class mishap { none, in_constructor, in_start, in_value };

/// Owns an argument and a member of its own, and reports its life.
class witness : public puma::single_buffer_servicing_runnable<int> {
 public:
  witness(const int_buffer& in, const events& to, mishap when = mishap::none,
          std::shared_ptr<tracked> argument = nullptr)
    : single_buffer_servicing_runnable("witness", in),
      events_(to),
      when_(when),
      argument_(std::move(argument)) {
    events_.add("constructed");
    if (when_ == mishap::in_constructor)
      throw sensor_broken{1};
  }

  ~witness() override { events_.add("destroyed"); }

 protected:
  void on_start() override {
    events_.add("started");
    if (when_ == mishap::in_start)
      throw sensor_broken{1};
  }

  void on_value(int&) override {
    if (when_ == mishap::in_value)
      throw sensor_broken{1};
  }

 private:
  tracked member_{7};
  events events_;
  mishap when_;
  std::shared_ptr<tracked> argument_;
};

class lifetime : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  events seen;

  void SetUp() override { violations_before_ = tracked::violations(); }

  void TearDown() override {
    EXPECT_EQ(tracked::alive(), 0);
    EXPECT_EQ(tracked::violations(), violations_before_);
  }

 private:
  int violations_before_ = 0;
};

INSTANTIATE_TEST_SUITE_P(, lifetime, any_hosting, with_hosting);

TEST_P(lifetime, begins_at_the_start_and_is_over_after_join) {
  auto x = run<witness>(in, seen);

  stream_all(in, 1, 2);
  x.join();

  EXPECT_THAT(seen.entries(),
              ElementsAre("constructed", "started", "destroyed"));
  EXPECT_EQ(tracked::alive(), 0);
}

TEST_P(lifetime, is_over_after_a_stop) {
  auto x = run<witness>(in, seen);
  x.wait_until_running();

  x.stop();
  x.join();

  EXPECT_THAT(seen.entries(),
              ElementsAre("constructed", "started", "destroyed"));
}

TEST_P(lifetime, is_over_when_the_runner_is) {
  {
    auto x = run<witness>(in, seen);
    x.wait_until_running();
  }

  EXPECT_EQ(seen.entries().back(), "destroyed");
  EXPECT_EQ(tracked::alive(), 0);
}

TEST_P(lifetime, is_over_when_the_runtime_is) {
  auto x = run<witness>(in, seen);
  x.wait_until_running();

  destroy_runtime();

  EXPECT_THAT(seen.entries(),
              ElementsAre("constructed", "started", "destroyed"));
}

TEST_P(lifetime, never_begins_with_a_failing_constructor) {
  auto x = run<witness>(in, seen, mishap::in_constructor);

  EXPECT_THROW(x.wait_until_running(), sensor_broken);
  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre("constructed"));
  EXPECT_EQ(tracked::alive(), 0);
}

TEST_P(lifetime, is_over_after_an_exception_at_the_start) {
  auto x = run<witness>(in, seen, mishap::in_start);

  x.join();

  EXPECT_THAT(seen.entries(),
              ElementsAre("constructed", "started", "destroyed"));
  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
}

TEST_P(lifetime, is_over_after_an_exception_in_a_hook) {
  auto x = run<witness>(in, seen, mishap::in_value);

  publish_all(in, 1, 1);
  x.join();

  EXPECT_THAT(seen.entries(),
              ElementsAre("constructed", "started", "destroyed"));
  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
}

TEST_P(lifetime, of_arguments_ends_with_the_runnable) {
  auto argument = std::make_shared<tracked>(1);
  const std::weak_ptr<tracked> observed = argument;
  auto x = run<witness>(in, seen, mishap::none, std::move(argument));
  x.wait_until_running();
  EXPECT_FALSE(observed.expired());

  x.stop();
  x.join();

  EXPECT_TRUE(observed.expired());
}

TEST_P(lifetime, of_arguments_ends_with_a_failing_constructor) {
  auto argument = std::make_shared<tracked>(1);
  const std::weak_ptr<tracked> observed = argument;

  auto x = run<witness>(in, seen, mishap::in_constructor, std::move(argument));
  x.join();

  EXPECT_TRUE(observed.expired());
  EXPECT_THROW(x.check_for_exceptions(), sensor_broken);
}

TEST_P(lifetime, never_begins_without_a_start) {
  auto argument = std::make_shared<tracked>(1);
  const std::weak_ptr<tracked> observed = argument;

  {
    auto x = make<witness>(in, seen, mishap::none, std::move(argument));
    EXPECT_FALSE(observed.expired());
  }

  EXPECT_EQ(seen.size(), 0u);
  EXPECT_TRUE(observed.expired());
}

} // namespace
