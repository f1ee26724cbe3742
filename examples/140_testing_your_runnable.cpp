// SPDX-License-Identifier: Apache-2.0
//
// One idea: runnables run on the test's thread, under a clock it moves itself.
// Run:      ./140_testing_your_runnable
// Expected: [  PASSED  ] 5 tests.

#include <puma/puma.hpp>
#include <puma/testing/capture_logs.hpp>
#include <puma/testing/virtual_runtime.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <utility>

using namespace std::chrono_literals;

namespace {

// [limiter]
/// Passes readings on, drops those above 100 with a warning, and fails on
/// negative ones.
class limiter : public puma::single_buffer_servicing_runnable<int> {
 public:
  limiter(const puma::buffer<int>& in, const puma::buffer<int>& out)
    : single_buffer_servicing_runnable("limiter", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& reading) override {
    if (reading < 0)
      throw std::range_error{"negative reading"};
    if (reading > 100)
      puma::log(puma::log_level::warning, name(), "dropped a high reading");
    else
      out_.publish(reading);
  }

 private:
  puma::publisher<int> out_;
};
// [limiter]

// [fixture]
class limiter_test : public ::testing::Test {
 protected:
  puma::testing::virtual_runtime vrt;
  puma::buffer<int> readings{"readings", 4};
  puma::buffer<int> limited{"limited", 4};
  puma::publisher<int> out = readings.open_publisher();
  puma::subscription<int> in = limited.subscribe();
  puma::runner limiting = vrt.env().run<limiter>(readings, limited);
};
// [fixture]

// [value]
TEST_F(limiter_test, passes_a_reading_on) {
  out.publish(7);
  vrt.settle();

  auto x = in.try_next();
  ASSERT_TRUE(x);
  EXPECT_EQ(*x, 7);
}
// [value]

// [log]
TEST_F(limiter_test, drops_a_high_reading_with_a_warning) {
  puma::testing::capture_logs logs;

  out.publish(101);
  vrt.settle();

  EXPECT_FALSE(in.try_next());
  EXPECT_EQ(logs.count(puma::log_level::warning, "high reading"), 1u)
    << logs.to_string();
}
// [log]

TEST_F(limiter_test, ends_with_its_input) {
  out.complete();
  vrt.settle();

  EXPECT_EQ(in.try_next().status(), puma::receive_status::completed);
  EXPECT_FALSE(limiting.is_alive());
}

// [error]
TEST_F(limiter_test, fails_its_output_on_a_negative_reading) {
  out.publish(-1);
  vrt.settle();

  EXPECT_THROW(static_cast<void>(in.next()), std::range_error);
}
// [error]

// [clock]
TEST_F(limiter_test, stays_silent_without_readings) {
  EXPECT_EQ(in.next_for(1h).status(), puma::receive_status::empty);

  EXPECT_EQ(vrt.elapsed(), 1h); // and no time has passed in the real world
}
// [clock]

} // namespace
