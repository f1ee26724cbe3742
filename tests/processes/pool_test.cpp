// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pool.hpp"

#include "puma/environments/executor.hpp"
#include "tests/processes/places.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include <unistd.h>

using namespace puma_test;
using puma::process_lost;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

int square(int x) {
  return x * x;
}

int failing(int x) {
  throw std::out_of_range{"no " + std::to_string(x)};
}

int process() {
  return ::getpid();
}

int process_after(std::chrono::milliseconds time) {
  std::this_thread::sleep_for(time);
  return ::getpid();
}

/// Says who it is, and waits to be killed.
void wait_there(const puma::buffer<int>& here) {
  auto out = here.open_publisher();
  out.publish(::getpid());
  for (;;)
    std::this_thread::sleep_for(1s);
}

/// Dies the first `times` times; `marks` is a directory that counts them.
int dying(const std::string& marks, int times, int x) {
  const auto count = std::distance(std::filesystem::directory_iterator{marks},
                                   std::filesystem::directory_iterator{});
  if (count == times)
    return x;
  std::ofstream{marks + "/" + std::to_string(::getpid())}.flush();
  std::raise(SIGKILL);
  return -1;
}

/// A directory that goes with the test.
class directory {
 public:
  directory() {
    auto pattern = (std::filesystem::temp_directory_path() / "pool-XXXXXX")
                     .string();
    if (!::mkdtemp(pattern.data()))
      throw std::runtime_error{"no directory"};
    path_ = pattern;
  }

  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  ~directory() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// -- anywhere -----------------------------------------------------------------

class pool_anywhere : public place_test {};

INSTANTIATE_TEST_SUITE_P(, pool_anywhere, any_place_at_all, place_name);

TEST_P(pool_anywhere, calls_functions) {
  puma::pool<> pool{"pool", env(), {.workers = 2}};

  EXPECT_EQ(pool.submit<&square>(7).get(), 49);
  EXPECT_EQ((pool.submit<[](std::string x) { return x + "!"; }>("a").get()),
            "a!");
  EXPECT_EQ(pool.submit([](int x) { return x + 1; }, 1).get(), 2);
  EXPECT_EQ(
    pool
      .submit(puma::with_state(40, [](int& state, int x) { return state + x; }),
              2)
      .get(),
    42);
  pool.submit([] {}).get();
}

TEST_P(pool_anywhere, publishes_results_and_completes) {
  auto results = env().make_buffer<int>("results", 4);
  puma::pool<int> pool{"pool", env(), results, {.workers = 2}};
  std::jthread submitter{[&] {
    for (int i = 0; i != 100; ++i)
      pool.submit<&square>(i);
    pool.close();
  }};

  auto got = read_all(results);

  std::ranges::sort(got);
  ASSERT_EQ(got.size(), 100u);
  for (int i = 0; i != 100; ++i)
    EXPECT_EQ(got[static_cast<std::size_t>(i)], i * i);
}

TEST_P(pool_anywhere, throws_errors_with_their_type) {
  puma::pool<> pool{"pool", env(), {.workers = 1}};
  auto bad = pool.submit<&failing>(9);

  EXPECT_EQ(thrown_text<std::out_of_range>([&] { bad.get(); }), "no 9");
  EXPECT_EQ(pool.submit<&square>(3).get(), 9);
  pool.join();
  EXPECT_EQ(pool.stats().lost_workers, 0u);
}

TEST_P(pool_anywhere, a_job_may_throw_what_a_dead_worker_would) {
  puma::pool<> pool{"pool", env(), {.workers = 1, .retries = 3}};
  auto bad = pool.submit([] { throw process_lost{"mine"}; });

  EXPECT_EQ(thrown_text<process_lost>([&] { bad.get(); }), "mine");
  pool.join();
  EXPECT_EQ(pool.stats().retried, 0u);
}

TEST_P(pool_anywhere, maps_in_order) {
  puma::executor exec{"exec", env(), {.workers = 2}};
  std::vector<int> inputs = numbers(1, 50);
  std::vector<int> got;

  for (auto& x : exec.map<&square>(inputs))
    got.push_back(x);

  ASSERT_EQ(got.size(), 50u);
  for (int i = 0; i != 50; ++i)
    EXPECT_EQ(got[static_cast<std::size_t>(i)], (i + 1) * (i + 1));
}

TEST_P(pool_anywhere, is_joined_by_the_runtime) {
  auto results = env().make_buffer<int>("results", 4);
  auto sum = env().make_buffer<int>("sum", 100);
  auto sink = env().run(
    puma::transform("sink", results, sum, [](int x) { return x + 1; }));
  puma::pool<int> pool{"pool", env(), results, {.workers = 2}};
  for (int i = 0; i != 20; ++i)
    pool.submit<&square>(i);
  pool.close();

  join(rt());

  EXPECT_EQ(read_all(sum).size(), 20u);
}

TEST_P(pool_anywhere, accounts_for_each_job_of_random_length) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  auto results = env().make_buffer<int>("results", 16);
  puma::pool<int> pool{
    "pool", env(), results, {.workers = 1, .max_workers = 3, .backlog = 8}};
  std::vector<puma::job<void>> jobs;
  std::jthread submitter{[&] {
    for (int i = 0; i != 1000; ++i)
      jobs.push_back(pool.submit(
        [](int number, unsigned how) {
          if (how % 4 == 0)
            std::this_thread::sleep_for(std::chrono::microseconds{how});
          if (how % 50 == 1)
            throw std::range_error{"no"};
          return number;
        },
        i, random() % 1000));
    pool.close();
  }};

  auto got = read_all(results);
  submitter.join();

  std::size_t failed = 0;
  for (auto& x : jobs)
    try {
      x.get();
    } catch (const std::range_error&) {
      ++failed;
    }
  EXPECT_EQ(got.size() + failed, 1000u);
  EXPECT_EQ((std::set<int>{got.begin(), got.end()}.size()), got.size());
}

// -- processes ----------------------------------------------------------------

class pool_processes : public process_test {};

TEST_F(pool_processes, does_jobs_in_other_processes_that_live_on) {
  puma::pool<> pool{"pool", env, {.workers = 1}};

  const auto first = pool.submit<&process>().get();

  EXPECT_NE(first, ::getpid());
  EXPECT_EQ(pool.submit<&process>().get(), first);
}

TEST_F(pool_processes, starts_one_process_per_worker) {
  puma::pool<> pool{"pool", env, {.workers = 3}};
  std::set<int> ids;

  // One that starts late finds its first job taken.
  EXPECT_TRUE(eventually([&] {
    std::vector<puma::job<int>> jobs;
    for (int i = 0; i != 3; ++i)
      jobs.push_back(pool.submit<&process_after>(100ms));
    for (auto& x : jobs)
      ids.insert(x.get());
    return ids.size() == 3;
  }));

  EXPECT_EQ(workers().size(), 3u);
}

TEST_F(pool_processes, refuses_what_cannot_cross_and_names_the_way_out) {
  puma::pool<> pool{"pool", env, {.workers = 1}};
  int here = 0;

  EXPECT_THAT(
    thrown_text<puma::usage_error>([&] { pool.submit([&] { ++here; }); }),
    AllOf(HasSubstr("pool 'pool'"), HasSubstr("captures something"),
          HasSubstr("with_state(value, callable)"),
          HasSubstr("submit<&function>")));
  EXPECT_THAT(thrown_text<puma::usage_error>(
                [&] { pool.submit([](int* x) { return *x; }, &here); }),
              HasSubstr("pointer"));
  EXPECT_THAT(thrown_text<puma::usage_error>([&] {
                auto x = pool.try_submit([] { return std::shared_ptr<int>{}; });
              }),
              HasSubstr("the result"));
  EXPECT_EQ(pool.submit<&square>(2).get(), 4);
  pool.join();
  EXPECT_EQ(pool.stats().submitted, 1u);
}

TEST_F(pool_processes, reports_a_job_that_was_lost_with_its_worker) {
  auto here = env.make_buffer<int>("here", 1);
  auto in = here.subscribe();
  puma::pool<> pool{"pool", env, {.workers = 1}};
  auto lost = pool.submit<&wait_there>(here);
  auto next = pool.submit<&process>();

  const auto id = read_one(in);
  ASSERT_EQ(::kill(id, SIGKILL), 0);

  EXPECT_THAT(thrown_text<process_lost>([&] { lost.get(); }),
              AllOf(HasSubstr("pool 'pool'"), HasSubstr("wait_there"),
                    HasSubstr("SIGKILL")));
  EXPECT_NE(next.get(), id);
  pool.join();
  EXPECT_EQ(pool.stats().lost_workers, 1u);
  join(rt()); // the loss is the job's, not the runtime's
}

TEST_F(pool_processes, tries_a_lost_job_again) {
  directory marks;
  puma::pool<> pool{"pool", env, {.workers = 1, .retries = 2}};

  EXPECT_EQ(pool.submit<&dying>(marks.path(), 2, 7).get(), 7);
  pool.join();
  EXPECT_EQ(pool.stats().retried, 2u);
  EXPECT_EQ(pool.stats().lost_workers, 2u);
  EXPECT_EQ(pool.stats().completed, 1u);
}

TEST_F(pool_processes, tries_a_lost_job_only_so_often) {
  directory marks;
  puma::pool<> pool{"pool", env, {.workers = 1, .retries = 1}};
  auto lost = pool.submit<&dying>(marks.path(), 5, 7);
  auto next = pool.submit<&square>(3);

  EXPECT_THAT(thrown_text<process_lost>([&] { lost.get(); }),
              HasSubstr("after 2 attempts"));
  EXPECT_EQ(next.get(), 9);
}

TEST_F(pool_processes, publishes_the_result_of_a_retried_job_once) {
  directory marks;
  auto results = env.make_buffer<int>("results", 8);
  puma::pool<int> pool{"pool", env, results, {.workers = 2, .retries = 3}};
  pool.submit<&dying>(marks.path(), 3, -1);
  for (int i = 0; i != 5; ++i)
    pool.submit<&square>(i);
  pool.close();

  auto got = read_all(results);

  std::ranges::sort(got);
  EXPECT_THAT(got, ElementsAre(-1, 0, 1, 4, 9, 16));
}

TEST_F(pool_processes, replaces_a_worker_that_died_while_idle) {
  puma::pool<> pool{"pool", env, {.workers = 1}};
  const auto first = pool.submit<&process>().get();

  ASSERT_EQ(::kill(first, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] { return workers().empty(); }));

  EXPECT_NE(pool.submit<&process>().get(), first);
  join(rt());
}

TEST_F(pool_processes, survives_the_death_of_all_workers) {
  auto here = env.make_buffer<int>("here", 4);
  auto in = here.subscribe();
  puma::pool<> pool{"pool", env, {.workers = 3}};
  std::vector<puma::job<void>> lost;
  for (int i = 0; i != 3; ++i)
    lost.push_back(pool.submit<&wait_there>(here));
  std::vector<puma::job<int>> next;
  for (int i = 0; i != 6; ++i)
    next.push_back(pool.submit<&square>(i));

  for (const auto id : read(in, 3).values)
    ASSERT_EQ(::kill(id, SIGKILL), 0);

  for (auto& x : lost)
    EXPECT_THROW(x.get(), process_lost);
  for (int i = 0; i != 6; ++i)
    EXPECT_EQ(next[static_cast<std::size_t>(i)].get(), i * i);
}

TEST_F(pool_processes, lets_a_job_end_its_process) {
  puma::pool<> pool{"pool", env, {.workers = 1}};

  EXPECT_THAT(
    thrown_text<process_lost>([&] { pool.submit([] { ::_exit(3); }).get(); }),
    HasSubstr("3"));
  EXPECT_EQ(pool.submit<&square>(4).get(), 16);
}

TEST_F(pool_processes, ends_processes_that_have_nothing_to_do) {
  puma::pool<> pool{
    "pool", env, {.workers = 1, .max_workers = 3, .idle_time = 100ms}};
  std::vector<puma::job<int>> jobs;
  for (int i = 0; i != 6; ++i)
    jobs.push_back(pool.submit<&process_after>(50ms));
  for (auto& x : jobs)
    x.get();

  EXPECT_TRUE(eventually([&] { return workers().size() == 1; }));
  EXPECT_EQ(pool.submit<&square>(4).get(), 16);
}

TEST_F(pool_processes, goes_on_while_workers_are_killed_at_random) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  auto results = env.make_buffer<int>("results", 16);
  puma::pool<int> pool{
    "pool", env, results, {.workers = 2, .backlog = 8, .retries = 50}};
  std::jthread submitter{[&] {
    for (int i = 0; i != 300; ++i)
      pool.submit(
        [](int x) {
          std::this_thread::sleep_for(2ms);
          return x;
        },
        i);
    pool.close();
  }};
  std::jthread killer{[&](const std::stop_token& token) {
    for (int i = 0; i != 8 && !token.stop_requested(); ++i) {
      std::this_thread::sleep_for(60ms);
      const auto ids = workers();
      if (!ids.empty())
        ::kill(ids[random() % ids.size()], SIGKILL);
    }
  }};

  auto got = read_all(results);

  killer.request_stop();
  killer.join();
  std::ranges::sort(got);
  EXPECT_EQ(got, numbers(0, 299));
}

TEST_F(pool_processes, ends_the_process_of_an_endless_job_that_it_gives_up) {
  auto here = env.make_buffer<int>("here", 1);
  auto in = here.subscribe();
  puma::job<void> endless;
  {
    puma::pool<> pool{"pool", env, {.workers = 1, .drain = 1ms}};
    endless = pool.submit<&wait_there>(here);
    read_one(in);
  }

  EXPECT_THAT(thrown_text<puma::pool_closed>([&] { endless.get(); }),
              HasSubstr("was given up"));
  EXPECT_TRUE(eventually([&] { return workers().empty(); }));
  join(rt());
}

} // namespace
