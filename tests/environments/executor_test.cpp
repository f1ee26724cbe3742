// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/executor.hpp"

#include "tests/support/environments.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using ::testing::ElementsAre;

namespace {

int halved(int x) {
  if (x % 2 != 0)
    throw std::domain_error{std::to_string(x) + " is odd"};
  return x / 2;
}

class executors : public environment_test {
 protected:
  puma::executor exec{"exec", env(), {.workers = 2}};
};

INSTANTIATE_TEST_SUITE_P(, executors, no_hosting, without_hosting);

TEST_P(executors, call_functions) {
  auto x = exec.async<&halved>(8);
  auto y = exec.async([](int n) { return n + 1; }, 4);

  EXPECT_EQ(x.get(), 4);
  EXPECT_EQ(y.get(), 5);
  EXPECT_THROW(exec.async<&halved>(3).get(), std::domain_error);
}

TEST_P(executors, map_in_the_order_of_the_inputs) {
  const std::vector<int> inputs{2, 4, 6, 8, 10, 12};
  std::vector<int> got;

  for (auto& x : exec.map(inputs, [](int n) {
         // The first ones take the longest.
         puma::sleep_for(std::chrono::microseconds{1300 - 100 * n});
         return n / 2;
       }))
    got.push_back(x);

  EXPECT_THAT(got, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_P(executors, map_what_they_are_given_in_passing) {
  std::vector<int> got;

  for (auto& x : exec.map<&halved>(std::list<int>{4, 2}))
    got.push_back(x);
  for (auto& x : exec.map<&halved>(std::vector<int>{}))
    got.push_back(x);

  EXPECT_THAT(got, ElementsAre(2, 1));
}

TEST_P(executors, map_lazily) {
  // 1, 2, … without end.
  std::atomic<int> taken = 0;
  auto endless = std::views::iota(1) | std::views::transform([&](int x) {
                   ++taken;
                   return x;
                 });
  std::vector<int> got;

  for (auto& x : exec.map(
         endless, [](int n) { return n; }, 3)) {
    got.push_back(x);
    EXPECT_LE(taken, static_cast<int>(got.size()) + 2);
    if (x == 5)
      break;
  }

  EXPECT_THAT(got, ElementsAre(1, 2, 3, 4, 5));
}

TEST_P(executors, throw_an_error_where_the_result_would_have_been) {
  const std::vector<int> inputs{2, 3, 4};
  auto results = exec.map<&halved>(inputs);
  std::vector<std::string> got;

  for (auto i = results.begin(); i != results.end(); ++i)
    try {
      got.push_back(std::to_string(*i));
    } catch (const std::domain_error& error) {
      got.push_back(error.what());
    }

  EXPECT_THAT(got, ElementsAre("1", "3 is odd", "2"));
}

TEST_P(executors, leave_the_loop_with_the_error) {
  const std::vector<int> inputs{2, 3, 4};
  std::vector<int> got;

  EXPECT_THROW(
    {
      for (auto& x : exec.map<&halved>(inputs))
        got.push_back(x);
    },
    std::domain_error);

  EXPECT_THAT(got, ElementsAre(1));
  EXPECT_EQ(exec.async<&halved>(8).get(), 4);
}

TEST_P(executors, cancel_what_has_not_begun_when_the_loop_is_left) {
  auto open = env().make_event("open");
  std::atomic<int> begun = 0;
  {
    auto results = exec.map(
      std::views::iota(0, 100),
      [&, open](int x) {
        ++begun;
        if (x != 0)
          open.wait();
        return x;
      },
      50);
    EXPECT_EQ(*results.begin(), 0);
  }
  open.set();
  exec.join();

  EXPECT_EQ(exec.stats().cancelled + static_cast<std::uint64_t>(begun), 50u);
  EXPECT_LE(begun, 3);
}

TEST_P(executors, tell_what_they_are) {
  EXPECT_EQ(exec.name(), "exec");
  EXPECT_EQ(exec.workers(), 2u);
  EXPECT_TRUE(exec.join_for(30s));
  EXPECT_THROW(exec.async<&halved>(2), puma::pool_closed);
}

} // namespace
