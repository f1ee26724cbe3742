// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/virtual_runtime.hpp"

#include "puma/puma.hpp"
#include "puma/testing/capture_logs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using puma::testing::virtual_runtime;
using ::testing::ElementsAre;

namespace {

/// Publishes the seconds since its start, once a second, from inside one hook.
class seconds_source final : public puma::source_runnable {
 public:
  seconds_source(const puma::buffer<int>& out, int count)
    : source_runnable("seconds"),
      out_(publish_to(out)),
      count_(count) {}

 protected:
  bool on_demand() override {
    for (int i = 1; i <= count_; ++i) {
      puma::sleep_for(1s);
      out_.publish(i);
    }
    return false;
  }

 private:
  puma::publisher<int> out_;
  int count_;
};

std::vector<int> received_now(puma::subscription<int>& from) {
  std::vector<int> result;
  while (auto x = from.try_next())
    result.push_back(*x);
  return result;
}

} // namespace

TEST(virtual_runtime, does_nothing_until_it_is_told_to) {
  virtual_runtime vrt;
  puma::buffer<int> in{"in", 4};
  int seen = 0;
  auto x = vrt.env().run(puma::for_each("count", in, [&](int) { ++seen; }));
  auto out = in.open_publisher();

  out.publish(1);
  EXPECT_EQ(seen, 0);

  vrt.settle();
  EXPECT_EQ(seen, 1);
}

TEST(virtual_runtime, stops_the_clock_where_advance_was_told_to) {
  virtual_runtime vrt;
  puma::buffer<int> out{"out", 8};
  auto from = out.subscribe();
  auto x = vrt.env().run<seconds_source>(puma::dedicated, out, 5);

  vrt.advance(999ms);
  EXPECT_EQ(vrt.elapsed(), 999ms);
  EXPECT_THAT(received_now(from), ElementsAre());

  vrt.advance(1ms);
  EXPECT_EQ(vrt.elapsed(), 1s);
  EXPECT_THAT(received_now(from), ElementsAre(1));

  vrt.advance(2500ms);
  EXPECT_THAT(received_now(from), ElementsAre(2, 3));
}

TEST(virtual_runtime, lets_the_clock_jump_to_what_a_wait_is_for) {
  virtual_runtime vrt;
  puma::buffer<int> out{"out", 8};
  auto from = out.subscribe();
  auto x = vrt.env().run<seconds_source>(puma::dedicated, out, 2);

  EXPECT_EQ(from.next(), std::optional{1});
  EXPECT_EQ(vrt.elapsed(), 1s);

  x.join();
  EXPECT_EQ(vrt.elapsed(), 2s);
}

TEST(virtual_runtime, lets_dedicated_runnables_wait_for_the_test) {
  virtual_runtime vrt;
  puma::buffer<int> out{"out", 1};
  auto from = out.subscribe();
  auto x = vrt.env().run<seconds_source>(puma::dedicated, out, 3);

  vrt.advance(10s);
  EXPECT_EQ(out.stats().accepted, 1u);

  EXPECT_EQ(from.next(), std::optional{1});
  vrt.settle();
  EXPECT_EQ(from.next(), std::optional{2});
  EXPECT_EQ(from.next(), std::optional{3});
  EXPECT_EQ(from.next(), std::nullopt);
}

TEST(virtual_runtime, runs_several_waiting_runnables_by_the_clock) {
  virtual_runtime vrt;
  std::vector<std::string> seen;
  puma::buffer<int> slow{"slow", 8};
  puma::buffer<int> fast{"fast", 8};
  const auto sleeper = [&seen](std::string name, auto period) {
    return [&seen, name, period, n = 0]() mutable -> std::optional<int> {
      puma::sleep_for(period);
      seen.push_back(name);
      return ++n < 3 ? std::optional{n} : std::nullopt;
    };
  };
  auto x = vrt.env().run(puma::dedicated,
                         puma::generate("a", slow, sleeper("a", 5s)));
  auto y = vrt.env().run(puma::dedicated,
                         puma::generate("b", fast, sleeper("b", 2s)));

  vrt.rt().join();

  EXPECT_THAT(seen, ElementsAre("b", "b", "a", "b", "a", "a"));
}

TEST(virtual_runtime, refuses_a_wait_that_would_never_end) {
  virtual_runtime vrt;
  puma::buffer<int> out{"out", 1};
  auto from = out.subscribe();

  EXPECT_THROW(static_cast<void>(from.next()), puma::usage_error);
}

TEST(virtual_runtime, lets_a_limited_wait_run_out_at_once) {
  virtual_runtime vrt;
  puma::buffer<int> out{"out", 1};
  auto from = out.subscribe();

  EXPECT_EQ(from.next_for(1h).status(), puma::receive_status::empty);
  EXPECT_EQ(vrt.elapsed(), 1h);
}

TEST(virtual_runtime, ends_what_waits_when_it_goes) {
  puma::buffer<int> out{"out", 1};
  puma::runner x;
  {
    virtual_runtime vrt;
    x = vrt.env().run<seconds_source>(puma::dedicated, out, 3);
    vrt.advance(1500ms);
  }

  EXPECT_FALSE(x.is_alive());
  EXPECT_EQ(out.stats().accepted, 1u);
}

TEST(virtual_runtime, is_alone_on_its_thread) {
  virtual_runtime vrt;

  EXPECT_THROW(virtual_runtime{}, puma::usage_error);
}

TEST(virtual_runtime, notices_what_never_settles) {
  virtual_runtime vrt;
  puma::testing::capture_logs log;
  const puma::buffer<int> out{"out", 1, {.overflow = puma::overflow::latest}};
  auto x = vrt.env().run(
    puma::generate("endless", out, [] { return std::optional{1}; }));
  auto y = vrt.env().run(puma::for_each("sink", out, [](int) {}));

  EXPECT_THROW(vrt.settle(), puma::usage_error);
}

TEST(virtual_runtime, gives_a_runner_that_goes_later_a_new_time_limit) {
  puma::testing::capture_logs log;
  virtual_runtime vrt;
  puma::buffer<int> out{"out", 8};
  puma::buffer<int> other{"other", 8};
  auto x = vrt.env().run<seconds_source>(puma::dedicated, out, 1'000);
  auto y = vrt.env().run<seconds_source>(puma::dedicated, other, 1'000);
  vrt.settle();

  x = puma::runner{};
  vrt.advance(100s); // more than the limit of 30 s
  y = puma::runner{};

  EXPECT_EQ(log.count(puma::log_level::error), 0u) << log.to_string();
}
