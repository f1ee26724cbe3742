// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/throttler.hpp"

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <chrono>
#include <limits>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

using steady = std::chrono::steady_clock;

class a_throttler : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 16);
  int_buffer out = env().make_buffer<int>("out", 16);
};

INSTANTIATE_TEST_SUITE_P(, a_throttler, any_hosting, with_hosting);

TEST_P(a_throttler, passes_all_values_on_in_order) {
  auto x = run(puma::throttle("slow", in, out, {.count = 10'000, .burst = 3}));

  stream_all(in, 1, 16);

  EXPECT_EQ(rest_of(out), numbers_to(16));
}

TEST_P(a_throttler, takes_no_less_time_than_the_rate_says) {
  const auto begin = steady::now();
  auto x = run(
    puma::throttle("slow", in, out, {.count = 4, .period = 8ms, .burst = 2}));

  stream_all(in, 1, 6);

  // Under the virtual clock, no time passes at all.
  EXPECT_EQ(rest_of(out), numbers_to(6));
  if (world_name() == "threads") {
    EXPECT_GE(steady::now() - begin, 8ms);
  }
}

TEST_P(a_throttler, leaves_values_in_its_input_when_it_is_stopped) {
  auto x = run(puma::throttle("slow", in, out, {.period = 1h}));
  publish_all(in, 1, 3);
  EXPECT_TRUE(eventually([&] { return out.stats().accepted == 1; }));

  x.stop();
  x.join();

  EXPECT_EQ(in.stats().waiting, 2u);
  EXPECT_THAT(rest_of(out), ElementsAre(1));
}

TEST_P(a_throttler, drops_what_comes_too_fast_if_it_is_told_so) {
  auto x = run(puma::throttle(
    "slow", in, out,
    {.period = 1h, .burst = 2, .excess = puma::throttle_excess::drop}));
  publish_all(in, 1, 5);
  EXPECT_TRUE(eventually([&] { return in.stats().taken == 5; }));

  EXPECT_EQ((x.call<&puma::throttler<int>::dropped>()), 3u);
  in.open_publisher().complete();

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2));
  x.join();
  EXPECT_EQ(log.count(puma::log_level::warning, "the first one was dropped"),
            1u);
  EXPECT_EQ(log.count(puma::log_level::warning, "3 values came too fast"), 1u);
}

TEST_P(a_throttler, refuses_rates_that_make_no_sense) {
  const auto text = [&](puma::throttle_options options) {
    return usage_error_text(
      [&] { static_cast<void>(puma::throttle("slow", in, out, options)); });
  };
  const auto zero
    = "throttle 'slow': count, period and burst must be greater "
      "than 0";
  constexpr auto many = std::numeric_limits<std::size_t>::max();

  EXPECT_EQ(text({.count = 0}), zero);
  EXPECT_EQ(text({.period = 0ns}), zero);
  EXPECT_EQ(text({.burst = 0}), zero);
  EXPECT_EQ(text({.count = many}), "throttle 'slow': the count is too large");
  EXPECT_EQ(text({.period = 24h, .burst = many}),
            "throttle 'slow': the burst is too large for so long a period; "
            "give the rate for a shorter one");
}

} // namespace
