// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <optional>
#include <string>

using namespace puma_test;
using puma::usage_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

namespace {

/// What belongs to a runnable may be used in its own hooks only.
class scope : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);
};

INSTANTIATE_TEST_SUITE_P(, scope, any_hosting, with_hosting);

class without_input : public puma::multi_buffer_servicing_runnable {
 public:
  without_input() : multi_buffer_servicing_runnable("deaf") {}
};

TEST_P(scope, of_a_runnable_without_a_name_cannot_be) {
  auto x = run<stage>("", in);

  EXPECT_THROW(x.wait_until_running(), usage_error);
}

TEST_P(scope, exists_only_where_an_environment_makes_the_runnable) {
  const auto text = usage_error_text([&] { stage x{"lonely", in}; });

  EXPECT_THAT(text, HasSubstr("'lonely'"));
}

TEST_P(scope, lets_nobody_else_publish_to_an_output) {
  std::atomic<stage*> running = nullptr;
  auto x = run<stage>(
    "stage", in, std::vector{out},
    script{.on_start = [&](stage& self) { running = &self; }});
  ASSERT_TRUE(eventually([&] { return running != nullptr; }));

  auto& end = running.load()->outs[0];
  EXPECT_THROW(end.publish(1), usage_error);
  EXPECT_THROW(end.publish_for(1, {}), usage_error);
  EXPECT_THROW(static_cast<void>(end.try_publish(1)), usage_error);
  EXPECT_THROW(end.complete(), usage_error);

  stream_all(in, 7, 7);
  EXPECT_THAT(rest_of(out), ElementsAre(7));
}

TEST_P(scope, ends_before_a_publisher_that_was_moved_out_of_it) {
  std::optional<puma::publisher<int>> stolen;
  auto x = run<stage>(
    "stage", in, std::vector{out},
    script{.on_start = [&](stage& self) { stolen = std::move(self.outs[0]); }});
  stream_all(in, 1, 0);
  x.join();

  EXPECT_THROW(stolen->publish(1), usage_error);
  EXPECT_THAT(rest_of(out), ElementsAre());
}

TEST_P(scope, of_one_runnable_is_closed_to_the_hooks_of_another) {
  std::atomic<stage*> running = nullptr;
  auto x = run<stage>(
    "stage", in, std::vector{out},
    script{.on_start = [&](stage& self) { running = &self; }});
  ASSERT_TRUE(eventually([&] { return running != nullptr; }));
  auto intruder = run<idler>("intruder", [&](idler&) {
    EXPECT_THROW(running.load()->outs[0].publish(1), usage_error);
    EXPECT_THROW(static_cast<void>(running.load()->publish_to(out)),
                 usage_error);
  });

  intruder.wait_until_running();
  intruder.stop();
  intruder.join();

  EXPECT_EQ(out.stats().accepted, 0u);
}

TEST_P(scope, does_not_get_outputs_from_outside) {
  std::atomic<stage*> running = nullptr;
  auto x = run<stage>(
    "stage", in, std::vector<int_buffer>{},
    script{.on_start = [&](stage& self) { running = &self; }});
  ASSERT_TRUE(eventually([&] { return running != nullptr; }));

  const auto text = usage_error_text(
    [&] { static_cast<void>(running.load()->publish_to(out)); });

  EXPECT_THAT(text, HasSubstr("'stage'"));
}

TEST_P(scope, does_not_get_inputs_from_outside) {
  auto other = env().make_buffer<int>("other", 8);
  std::atomic<stage*> running = nullptr;
  auto x = run<stage>(
    "stage", in, std::vector<int_buffer>{},
    script{.on_start = [&](stage& self) { running = &self; }});
  ASSERT_TRUE(eventually([&] { return running != nullptr; }));

  EXPECT_THROW(running.load()->add(other), usage_error);
}

TEST_P(scope, gets_outputs_from_its_own_hooks) {
  auto x = run<stage>("stage", in, std::vector<int_buffer>{},
                      script{.on_value = [&](stage& self, int& value) {
                        if (value == 1)
                          self.outs.open(self.publish_to(out));
                        self.outs.publish(10 * value);
                      }});

  stream_all(in, 1, 2);

  EXPECT_THAT(rest_of(out), ElementsAre(10, 20));
}

TEST_P(scope, gets_inputs_from_its_own_hooks) {
  auto other = env().make_buffer<int>("other", 8);
  stream_all(other, 11, 12);
  auto x = run<stage>("stage", in, std::vector{out},
                      script{.on_value = [&](stage& self, int& value) {
                        if (value == 1)
                          self.add(other);
                        self.outs.publish(value);
                      }});

  stream_all(in, 1, 2);

  EXPECT_THAT(rest_of(out), UnorderedElementsAre(1, 2, 11, 12));
}

TEST_P(scope, refuses_the_same_input_twice) {
  auto x = run<stage>("stage", in, std::vector<int_buffer>{},
                      script{.on_start = [&](stage& self) { self.add(in); }});

  EXPECT_THROW(
    {
      x.join();
      x.check_for_exceptions();
    },
    usage_error);
}

TEST_P(scope, refuses_an_input_that_somebody_else_has) {
  auto taken = in.subscribe();
  auto x = run<stage>("stage", in);

  EXPECT_THROW(x.wait_until_running(), usage_error);
}

TEST_P(scope, of_a_servicing_runnable_needs_an_input) {
  auto x = run<without_input>();

  const auto text = usage_error_text([&] {
    x.join();
    x.check_for_exceptions();
  });

  EXPECT_THAT(text, HasSubstr("'deaf'"));
}

} // namespace
