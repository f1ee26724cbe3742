// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pool.hpp"

#include "tests/support/environments.hpp"
#include "tests/support/journal.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::pool_closed;
using puma::submit_result;
using puma::usage_error;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

int square(int x) {
  return x * x;
}

std::string joined(const std::string& x, std::string y) {
  return x + y;
}

int unboxed(std::unique_ptr<int> x) {
  return *x;
}

int failing(int x) {
  throw std::out_of_range{"no " + std::to_string(x)};
}

/// What a job says that waits for `e`.
int after(const puma::event& e, int x) {
  e.wait();
  return x;
}

template <class F>
std::string text_of(F what) {
  try {
    what();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "threw nothing";
}

class pools : public environment_test {
 protected:
  puma::event open = env().make_event("open");
  std::atomic<bool> begun = false;

  /// Submits a job that waits for `open`, then returns 1; returns when it has
  /// begun. A pool counts it as busy a little earlier.
  puma::job<int> begin_one(puma::pool<>& pool) {
    auto result = pool.submit([this] {
      begun = true;
      return after(open, 1);
    });
    EXPECT_TRUE(eventually([this] { return begun.load(); }));
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(, pools, no_hosting, without_hosting);

// -- jobs ---------------------------------------------------------------------

TEST_P(pools, call_functions_with_their_arguments) {
  puma::pool<> pool{"pool", env(), {.workers = 2}};

  EXPECT_EQ(pool.submit<&square>(7).get(), 49);
  EXPECT_EQ(pool.submit<&joined>("a", "b").get(), "ab");
  EXPECT_EQ(pool.submit<&unboxed>(std::make_unique<int>(3)).get(), 3);
  EXPECT_EQ((pool.submit<[](int x, int y) { return x - y; }>(5, 3).get()), 2);
}

TEST_P(pools, call_anything_that_can_be_called) {
  puma::pool<> pool{"pool", env(), {.workers = 2}};
  int seen = 0;

  pool.submit([&seen] { seen = 4; }).get();

  EXPECT_EQ(seen, 4);
  EXPECT_EQ(pool.submit(&square, 3).get(), 9);
  EXPECT_EQ(
    pool.submit([x = std::make_unique<int>(5)](int y) { return *x + y; }, 2)
      .get(),
    7);
  EXPECT_EQ(
    pool
      .submit(
        puma::with_state(40, [](int& state, int x) { return state += x; }), 2)
      .get(),
    42);
}

TEST_P(pools, give_an_error_to_its_submitter_and_go_on) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  auto bad = pool.submit<&failing>(9);
  auto good = pool.submit<&square>(2);

  try {
    bad.get();
    FAIL() << "threw nothing";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "no 9");
    const auto origin = puma::current_failure();
    ASSERT_TRUE(origin);
    EXPECT_EQ(origin->runnable(), "pool worker 1");
    EXPECT_THAT(std::string{origin->activity()}, HasSubstr("failing"));
  }
  EXPECT_EQ(good.get(), 4);
  pool.join();
  EXPECT_EQ(pool.stats().failed, 1u);
  EXPECT_EQ(pool.stats().completed, 1u);
}

TEST_P(pools, log_an_error_that_nobody_has_asked_for) {
  {
    puma::pool<> pool{"pool", env(), {.workers = 1}};
    pool.submit<&failing>(9);
    pool.join();
  }

  EXPECT_EQ(log.count(puma::log_level::error, "nobody has asked for"), 1u);
}

TEST_P(pools, wait_for_a_job_as_long_as_they_are_told) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  auto x = pool.submit(&after, open, 3);

  EXPECT_FALSE(x.wait_for(1ms));
  EXPECT_THROW(x.get_for(1ms), puma::timeout_error);
  EXPECT_FALSE(x.ready());
  open.set();
  x.wait();
  EXPECT_TRUE(x.ready());
  EXPECT_EQ(x.get(), 3);
  EXPECT_THROW(x.get(), usage_error);
}

TEST_P(pools, do_not_begin_a_job_that_was_cancelled) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  auto first = begin_one(pool);
  auto second = pool.submit<&square>(2);

  EXPECT_FALSE(first.cancel());
  EXPECT_TRUE(second.cancel());
  EXPECT_FALSE(second.valid());
  open.set();
  EXPECT_EQ(first.get(), 1);
  pool.join();
  EXPECT_EQ(pool.stats().cancelled, 1u);
  EXPECT_EQ(pool.stats().completed, 1u);
}

TEST_P(pools, let_jobs_submit_more_jobs) {
  puma::pool<> pool{"pool", env(), {.workers = 2}};
  auto outer = pool.submit([&pool] { return pool.submit<&square>(6); });

  EXPECT_EQ(outer.get().get(), 36);
}

TEST_P(pools, need_a_name_and_options_that_make_sense) {
  const auto make = [this](const std::string& name, puma::pool_options x) {
    return text_of([&] { puma::pool<> pool{name, env(), x}; });
  };

  EXPECT_THAT(make("", {}), HasSubstr("name must not be empty"));
  EXPECT_THAT(make("p", {.workers = 3, .max_workers = 2}),
              HasSubstr("pool 'p': max_workers"));
  EXPECT_THAT(make("p", {.idle_time = 0ms}), HasSubstr("idle_time"));
  EXPECT_THAT(make("p", {.drain = -1ms}), HasSubstr("drain"));
}

// -- results ------------------------------------------------------------------

TEST_P(pools, publish_each_result_and_complete_when_they_are_closed) {
  auto results = env().make_buffer<std::int64_t>("results", 4);
  auto out = results.subscribe();
  puma::pool<std::int64_t> pool{"pool", env(), results, {.workers = 2}};
  for (int i = 1; i <= 3; ++i)
    pool.submit<&square>(i);

  pool.close();

  std::vector<std::int64_t> got;
  for (auto& x : out)
    got.push_back(x);
  std::ranges::sort(got);
  EXPECT_THAT(got, ElementsAre(1, 4, 9));
}

TEST_P(pools, tell_submitters_when_a_result_has_been_published) {
  auto results = env().make_buffer<int>("results", 4);
  auto out = results.subscribe();
  puma::pool<int> pool{"pool", env(), results, {.workers = 1}};

  pool.submit<&square>(5).get();
  EXPECT_EQ(*out.try_next(), 25);
  EXPECT_THROW(pool.submit<&failing>(1).get(), std::out_of_range);
  pool.join();
  EXPECT_EQ(out.next(), std::nullopt);
}

TEST_P(pools, complete_their_results_without_any_job) {
  auto results = env().make_buffer<int>("results", 4);
  auto out = results.subscribe();
  puma::pool<int> pool{"pool", env(), results, {.workers = 2}};

  pool.close();

  EXPECT_EQ(out.next(), std::nullopt);
}

TEST_P(pools, slow_submitters_down_when_nobody_takes_the_results) {
  auto results = env().make_buffer<int>("results", 1);
  auto out = results.subscribe();
  puma::pool<int> pool{
    "pool", env(), results, {.workers = 1, .backlog = 1, .drain = 0ms}};
  // One result in the buffer, one in the worker's hand, one job that waits.
  for (int i = 1; i <= 3; ++i)
    pool.submit<&square>(i);
  ASSERT_TRUE(eventually([&] {
    return results.stats().waiting == 1 && pool.stats().busy == 1
           && pool.stats().waiting == 1;
  }));
  EXPECT_EQ(pool.try_submit<&square>(9).status(), submit_result::full);

  for (int i = 1; i <= 3; ++i)
    EXPECT_EQ(out.next(), square(i));
  EXPECT_TRUE(pool.submit_for<&square>(30s, 4));
  EXPECT_EQ(out.next(), 16);
}

TEST_P(pools, close_when_their_results_reach_nobody) {
  auto results = env().make_buffer<int>("results", 1);
  {
    auto out = results.open_publisher();
    out.fail(std::runtime_error{"enough"});
  }
  puma::pool<int> pool{"pool", env(), results, {.workers = 1}};
  auto x = pool.submit<&square>(1);

  EXPECT_THAT(text_of([&] { x.get(); }), HasSubstr("takes no more"));
  EXPECT_THAT(text_of([&] { pool.submit<&square>(2); }),
              HasSubstr("results buffer 'results' takes no more"));
}

// -- full ---------------------------------------------------------------------

TEST_P(pools, say_that_they_are_full_and_leave_arguments_untouched) {
  puma::pool<> pool{"pool", env(), {.workers = 1, .backlog = 1}};
  auto first = pool.try_submit(&after, open, 1);
  auto second = pool.try_submit<&square>(2);
  ASSERT_TRUE(first);
  ASSERT_TRUE(second);

  auto value = std::make_unique<int>(3);
  auto third = pool.try_submit<&unboxed>(std::move(value));
  EXPECT_EQ(third.status(), submit_result::full);
  ASSERT_TRUE(value);
  EXPECT_EQ(pool.submit_for<&unboxed>(1ms, std::move(value)).status(),
            submit_result::full);
  ASSERT_TRUE(value);

  open.set();
  EXPECT_EQ(first->get(), 1);
  EXPECT_EQ(second->get(), 4);
  auto fourth = pool.submit_for<&unboxed>(30s, std::move(value));
  ASSERT_TRUE(fourth);
  EXPECT_EQ(fourth->get(), 3);
}

TEST_P(pools, make_submitters_wait_for_room) {
  puma::pool<> pool{"pool", env(), {.workers = 1, .backlog = 0}};
  std::vector<puma::job<int>> jobs;
  for (int i = 0; i != 5; ++i)
    jobs.push_back(pool.submit([i] {
      puma::sleep_for(1ms);
      return i;
    }));

  for (int i = 0; i != 5; ++i)
    EXPECT_EQ(jobs[static_cast<std::size_t>(i)].get(), i);
}

TEST_P(pools, wake_submitters_with_an_error_when_they_are_closed) {
  puma::pool<> pool{"pool", env(), {.workers = 1, .backlog = 0}};
  auto first = begin_one(pool);
  journal<std::string> said;
  std::atomic<bool> waits = false;
  auto other = env().run<idler>(puma::dedicated, "other", [&](idler& self) {
    waits = true;
    said.add(text_of([&] { pool.submit<&square>(2); }));
    self.stop();
  });
  ASSERT_TRUE(eventually([&] { return waits.load(); }));

  pool.close();
  other.join();

  EXPECT_THAT(said.entries(),
              ElementsAre("pool 'pool': takes no more jobs: it was closed"));
  EXPECT_EQ(pool.try_submit<&square>(1).status(), submit_result::closed);
  open.set();
  EXPECT_EQ(first.get(), 1);
}

TEST_P(pools, never_let_a_pooled_runnable_wait) {
  puma::pool<> pool{"pool", env(), {.workers = 1, .backlog = 0}};
  auto first = begin_one(pool);
  journal<std::string> said;
  auto other = env().run<idler>("other", [&](idler& self) {
    said.add(text_of([&] { pool.submit<&square>(2); }));
    said.add(pool.submit_for<&square>(1h, 2) ? "accepted" : "full");
    said.add(text_of([&] { first.wait(); }));
    self.stop();
  });
  other.join();

  EXPECT_THAT(said.entries(),
              ElementsAre(HasSubstr("use try_submit"), "full",
                          HasSubstr("a pooled runnable must not wait")));
  open.set();
}

TEST_P(pools, let_a_pooled_runnable_go_on_with_the_result) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  journal<std::string> said;
  auto other = env().run<idler>("other", [&](idler&) {
    pool.submit<&square>(3).then(
      [&said](int x) { said.add(std::to_string(x)); });
    pool.submit<&failing>(4).then(
      [&said](int) { said.add("?"); },
      [&said](const puma::failure& x) { said.add(std::string{x.text()}); });
  });

  EXPECT_TRUE(eventually([&] { return said.size() == 2; }));
  EXPECT_THAT(said.entries(), ElementsAre("9", "no 4"));
}

// -- the end ------------------------------------------------------------------

TEST_P(pools, do_the_jobs_that_wait_when_they_are_closed) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  std::vector<puma::job<int>> jobs;
  for (int i = 0; i != 20; ++i)
    jobs.push_back(pool.submit(&after, open, i));

  pool.close();
  open.set();
  pool.join();

  for (int i = 0; i != 20; ++i)
    EXPECT_EQ(jobs[static_cast<std::size_t>(i)].get(), i);
  EXPECT_EQ(pool.workers(), 0u);
  EXPECT_EQ(pool.stats().completed, 20u);
}

TEST_P(pools, do_not_begin_what_waits_when_they_are_stopped) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  auto first = begin_one(pool);
  auto second = pool.submit<&square>(2);

  pool.stop();

  EXPECT_THAT(text_of([&] { second.get(); }),
              HasSubstr("was not done: it was stopped"));
  open.set();
  EXPECT_EQ(first.get(), 1);
  pool.join();
  EXPECT_EQ(pool.stats().dropped, 1u);
  EXPECT_EQ(
    log.count(puma::log_level::warning, "1 job(s) that waited were not done"),
    1u);
}

TEST_P(pools, are_not_joined_in_time_while_a_job_runs) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  auto first = pool.submit(&after, open, 1);

  EXPECT_FALSE(pool.join_for(1ms));
  open.set();
  EXPECT_TRUE(pool.join_for(30s));
  EXPECT_EQ(first.get(), 1);
}

TEST_P(pools, give_up_what_waits_when_they_go_and_may_not_drain) {
  std::optional<puma::job<int>> waits;
  {
    puma::pool<> pool{"pool", env(), {.workers = 1, .drain = 0ms}};
    static_cast<void>(begin_one(pool));
    waits = pool.submit<&square>(2);
  }

  EXPECT_THROW(waits->get(), pool_closed);
}

TEST_P(pools, do_what_waits_before_they_go) {
  std::vector<puma::job<int>> jobs;
  {
    puma::pool<> pool{"pool", env(), {.workers = 2}};
    for (int i = 0; i != 50; ++i)
      jobs.push_back(pool.submit<&square>(i));
  }

  for (int i = 0; i != 50; ++i)
    EXPECT_EQ(jobs[static_cast<std::size_t>(i)].get(), i * i);
}

TEST_P(pools, interrupt_a_job_that_waits_longer_than_the_drain) {
  std::optional<puma::job<int>> endless;
  {
    puma::pool<> pool{"pool", env(), {.workers = 1, .drain = 1ms}};
    endless = begin_one(pool);
  }

  EXPECT_THAT(text_of([&] { endless->get(); }), HasSubstr("was given up"));
}

TEST_P(pools, do_not_keep_the_runtime_from_its_end) {
  puma::pool<> pool{"pool", env(), {.workers = 2}};
  EXPECT_EQ(pool.submit<&square>(2).get(), 4);

  rt().join();

  EXPECT_THAT(text_of([&] { pool.submit<&square>(2); }),
              HasSubstr("its workers were told to stop"));
  EXPECT_EQ(pool.try_submit<&square>(2).status(), submit_result::closed);
}

TEST_P(pools, outlive_their_runtime_in_peace) {
  puma::pool<> pool{"pool", env(), {.workers = 2}};
  auto x = pool.submit(&after, open, 1);

  destroy_runtime();

  EXPECT_THROW(x.get(), pool_closed);
  EXPECT_THROW(pool.submit<&square>(2), pool_closed);
}

TEST_P(pools, do_their_jobs_when_the_program_drains) {
  auto results = env().make_buffer<int>("results", 2);
  journal<int> got;
  auto sink = env().run(
    puma::for_each("sink", results, [got](int x) { got.add(x); }));
  puma::pool<int> pool{"pool", env(), results, {.workers = 1}};
  for (int i = 0; i != 20; ++i)
    pool.submit([i] {
      puma::sleep_for(1ms);
      return i;
    });

  // Most of them are still to be done.
  const auto report = rt().drain(30s);

  EXPECT_TRUE(report.done()) << report.to_string();
  EXPECT_EQ(got.size(), 20u);
  EXPECT_THROW(pool.submit<&square>(1), pool_closed);
}

TEST_P(pools, can_be_moved) {
  puma::pool<> first{"first", env(), {.workers = 1}};
  auto second = std::move(first);

  EXPECT_EQ(second.submit<&square>(2).get(), 4);
  EXPECT_EQ(second.name(), "first");
  EXPECT_THROW(first.close(), usage_error);
}

TEST_P(pools, account_for_each_of_many_jobs) {
  // Steps of a virtual runtime take their time.
  const int count = world_name() == "virtual" ? 1000 : 10'000;
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  auto results = env().make_buffer<int>("results", 64);
  journal<int> got;
  auto sink = env().run(
    puma::for_each("sink", results, [got](int x) { got.add(x); }));
  puma::pool<int> pool{
    "pool", env(), results, {.workers = 2, .max_workers = 6, .backlog = 16}};
  std::vector<puma::job<void>> jobs;
  for (int i = 0; i != count; ++i) {
    const auto kind = random() % 100;
    jobs.push_back(pool.submit(
      [](int number, unsigned how) {
        if (how < 5)
          puma::sleep_for(std::chrono::microseconds{how * 100});
        if (how == 99)
          throw number;
        return number;
      },
      i, kind));
  }
  pool.close();
  sink.join();

  auto expected = count;
  for (auto& x : jobs)
    try {
      x.get();
    } catch (int) {
      --expected;
    }
  EXPECT_EQ(got.size(), static_cast<std::size_t>(expected));
  auto entries = got.entries();
  std::ranges::sort(entries);
  EXPECT_EQ(std::ranges::unique(entries).begin(), entries.end());
  pool.join();
  const auto stats = pool.stats();
  EXPECT_EQ(stats.submitted, static_cast<std::uint64_t>(count));
  EXPECT_EQ(stats.completed, static_cast<std::uint64_t>(expected));
  EXPECT_EQ(stats.failed, static_cast<std::uint64_t>(count - expected));
}

} // namespace
