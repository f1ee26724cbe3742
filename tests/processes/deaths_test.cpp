// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <future>
#include <iostream>
#include <random>

#include <unistd.h>

using namespace puma_test;
using puma::process_lost;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

namespace {

enum class death { abort, exit_3, thread_throws, kill, segmentation };

/// Passes values on, and ends its process at one of them.
class dying : public puma::single_buffer_servicing_runnable<int> {
 public:
  dying(std::string name, const puma::buffer<int>& in,
        const puma::buffer<int>& out, int at, death how)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      at_(at),
      how_(how) {}

 protected:
  void on_value(int& x) override {
    if (x == at_)
      die();
    out_.publish(x);
  }

 private:
  void die() {
    switch (how_) {
    case death::abort:
      std::abort();
    case death::exit_3:
      ::_exit(3);
    case death::thread_throws:
      std::jthread{[] {
        throw std::runtime_error{"nobody catches it"};
      }}.join();
      break;
    case death::kill:
      std::raise(SIGKILL);
      break;
    case death::segmentation:
      std::raise(SIGSEGV);
      break;
    }
  }

  puma::publisher<int> out_;
  int at_;
  death how_;
};

/// Takes a value, tells its process, and then sits in its hook.
class stuck : public puma::single_buffer_servicing_runnable<int> {
 public:
  stuck(std::string name, const puma::buffer<int>& in,
        const puma::buffer<int>& ids)
    : single_buffer_servicing_runnable(std::move(name), in),
      ids_(publish_to(ids)) {}

 protected:
  void on_value(int&) override {
    ids_.publish(::getpid());
    ids_.close();
    for (;;)
      ::pause();
  }

 private:
  puma::publisher<int> ids_;
};

class deaths : public process_test {
 protected:
  puma::buffer<int> a = env.make_buffer<int>("a", 8);
  puma::buffer<int> b = env.make_buffer<int>("b", 8);
  puma::buffer<int> c = env.make_buffer<int>("c", 8);
  puma::buffer<int> ids = env.make_buffer<int>("ids", 8);

  /// Where nobody is given up for being silent.
  puma::process_environment untimed{rt(), {.answer_timeout = 0ms}};

  /// Lets a worker die at 4 and returns what it is said to have died of.
  std::string text_of(death how) {
    auto x = env.run<dying>("dying"s, a, b, 4, how);
    auto y = env.run<passing<int>>("after"s, b, c);
    wait_for(x);
    auto out = a.open_publisher();
    send_numbers(out, 1, 4);
    const auto found = read(c);
    // What it published before may be gone with it, but never out of order.
    EXPECT_EQ(found.values, numbers(1, static_cast<int>(found.values.size())));
    EXPECT_LE(found.values.size(), 3u);
    join(x);
    join(y);
    EXPECT_EQ(to_string(found.end), "failed");
    if (!found.error || !x.last_failure())
      return "no error";
    EXPECT_THROW(found.error->rethrow(), process_lost);
    EXPECT_EQ(found.error->id(), x.last_failure()->id());
    EXPECT_EQ(found.error->type(), "puma::process_lost");
    EXPECT_TRUE(eventually(
      [&] { return out.publish_for(5, 1ms) == puma::publish_result::closed; }));
    return std::string{found.error->text()};
  }
};

TEST_F(deaths, by_abort_are_told) {
  EXPECT_THAT(text_of(death::abort), HasSubstr("SIGABRT"));
}

TEST_F(deaths, by_exit_are_told) {
  EXPECT_THAT(text_of(death::exit_3), AllOf(HasSubstr("3"), HasSubstr("exit")));
}

TEST_F(deaths, by_an_exception_in_another_thread_are_told) {
  EXPECT_THAT(text_of(death::thread_throws), HasSubstr("SIGABRT"));
}

TEST_F(deaths, by_kill_are_told) {
  EXPECT_THAT(text_of(death::kill), HasSubstr("SIGKILL"));
}

TEST_F(deaths, by_a_fault_are_told) {
#ifdef __SANITIZE_ADDRESS__
  // The sanitizer handles the signal, and ends the process by itself.
  EXPECT_THAT(text_of(death::segmentation), HasSubstr("exited with status 1"));
#else
  EXPECT_THAT(text_of(death::segmentation), HasSubstr("SIGSEGV"));
#endif
}

TEST_F(deaths, are_told_at_once) {
  auto x = untimed.run<sink>("x"s, a); // so not because it is silent
  wait_for(x);

  const auto before = steady::now();
  ::kill(workers().at(0), SIGKILL);
  join(x);

  const auto took = steady::now() - before;
  RecordProperty("microseconds", std::to_string(took / 1us));
  EXPECT_THAT(thrown_text<process_lost>([&] { x.check_for_exceptions(); }),
              AllOf(HasSubstr("x"), HasSubstr("SIGKILL")));
  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_NO_THROW(join(rt()));
}

TEST_F(deaths, while_starting_are_told) {
  auto x = env.run<counting<int>>("x"s, ids, 1, 2'000'000'000);
  EXPECT_TRUE(eventually([&] { return !workers().empty(); }));
  ::kill(workers().at(0), SIGKILL);

  join(x);

  // It is taken by the stream that it was to publish to.
  ASSERT_TRUE(x.last_failure());
  EXPECT_THROW(x.last_failure()->rethrow(), process_lost);
  EXPECT_EQ(to_string(read(ids).end), "failed");
}

TEST_F(deaths, are_thrown_by_join_of_the_runtime) {
  auto x = env.run<sink>("x"s, b);
  wait_for(x);
  const auto id = workers().at(0);
  auto y = env.run<sink>("y"s, a);
  ::kill(id, SIGKILL);

  EXPECT_THROW(join(rt()), process_lost);
  EXPECT_FALSE(y.is_alive());
}

TEST_F(deaths, are_told_for_all_in_a_shared_process) {
  const puma::process_environment shared{rt(), {.workers = 1}};
  auto x = shared.run<sink>("x"s, a);
  auto y = shared.run<sink>("y"s, b);
  wait_for(x);
  wait_for(y);
  ASSERT_EQ(workers().size(), 1u);
  const auto id = workers().at(0);

  ::kill(id, SIGKILL);
  join(x);
  join(y);

  EXPECT_THROW(x.check_for_exceptions(), process_lost);
  EXPECT_THROW(y.check_for_exceptions(), process_lost);

  // The environment goes on with another process.
  auto c2 = shared.make_buffer<int>("c2", 8);
  auto z = shared.run<telling_process>("z"s, c2);
  EXPECT_NE(read_one(c2), id);
}

TEST_F(deaths, leave_others_alone) {
  auto killed = env.run<sink>("killed"s, a);
  wait_for(killed);
  const auto id = workers().at(0);
  std::vector<puma::runner> runners;
  std::vector<puma::buffer<int>> ends;
  for (int i = 0; i != 3; ++i) {
    auto from = env.make_buffer<int>("from", 64);
    ends.push_back(env.make_buffer<int>("to", 64));
    runners.push_back(env.run<counting<int>>("source"s, from, 1, 20'000));
    runners.push_back(env.run<passing<int>>("stage"s, from, ends.back()));
  }
  std::vector<std::future<std::vector<int>>> found;
  for (auto& x : ends)
    found.push_back(
      std::async(std::launch::async, [x] { return read_all(x); }));

  ::kill(id, SIGKILL);
  join(killed);

  for (auto& x : found)
    EXPECT_EQ(x.get(), numbers(1, 20'000));
  EXPECT_THROW(killed.check_for_exceptions(), process_lost);
}

TEST_F(deaths, of_one_of_three_publishers_fail_the_stream) {
  auto d = env.make_buffer<signed_number>("d", 8);
  auto e = env.make_buffer<signed_number>("e", 8);
  std::vector<puma::runner> sources;
  for (int by = 1; by <= 3; ++by)
    sources.push_back(env.run<signing>("source"s, d, by, 2'000'000'000));
  auto stage = env.run<passing<signed_number>>("stage"s, d, e);
  auto from = e.subscribe();
  for (auto& x : sources)
    wait_for(x);
  EXPECT_EQ(read(from, 100).values.size(), 100u);
  ASSERT_GE(workers().size(), 4u);

  ::kill(workers().at(0), SIGKILL);

  const auto rest = read(from);
  EXPECT_EQ(to_string(rest.end), "failed");
  std::map<int, int> last;
  for (auto& x : rest.values) {
    if (last[x.by] != 0) {
      EXPECT_EQ(x.number, last[x.by] + 1);
    }
    last[x.by] = x.number;
  }
  for (auto& x : sources)
    join(x);
}

// -- of consumers -------------------------------------------------------------

TEST_F(deaths, of_the_consumer_wake_a_plain_thread_that_publishes) {
  auto x = untimed.run<stuck>("stuck"s, a, ids);
  auto out = a.open_publisher();
  auto published = std::async(std::launch::async, [&] {
    auto status = puma::publish_result::accepted;
    while (status == puma::publish_result::accepted)
      status = out.publish_for(1, patience);
    return status;
  });
  const auto id = read_one(ids);
  EXPECT_EQ(published.wait_for(100ms), std::future_status::timeout);

  ::kill(id, SIGKILL);

  EXPECT_EQ(to_string(published.get()), "closed");
}

/// Publishes until that is refused, and says what it was told.
class publishing : public puma::source_runnable {
 public:
  publishing(std::string name, const puma::buffer<int>& out,
             const puma::buffer<std::string>& said)
    : source_runnable(std::move(name)),
      out_(publish_to(out)),
      said_(publish_to(said)) {}

 protected:
  bool on_demand() override {
    const auto status = out_.publish(1);
    if (status == puma::publish_result::accepted)
      return true;
    said_.publish(std::string{to_string(status)});
    return false;
  }

 private:
  puma::publisher<int> out_;
  puma::publisher<std::string> said_;
};

TEST_F(deaths, of_the_consumer_wake_a_dedicated_runnable_that_publishes) {
  auto said = env.make_buffer<std::string>("said", 4);
  auto x = untimed.run<stuck>("stuck"s, a, ids);
  auto y = untimed.run<publishing>(puma::dedicated, "publishing"s, a, said);
  const auto id = read_one(ids);
  EXPECT_EQ(to_string(said.subscribe().next_for(100ms).status()), "empty");

  ::kill(id, SIGKILL);

  EXPECT_EQ(read(said).values, std::vector{"closed"s});
  join(y);
  EXPECT_NO_THROW(y.check_for_exceptions());
}

TEST_F(deaths, of_the_consumer_end_a_pooled_runnable_that_publishes) {
  auto said = env.make_buffer<std::string>("said", 4);
  auto x = untimed.run<stuck>("stuck"s, a, ids);
  auto y = untimed.run<publishing>("publishing"s, a, said);
  const auto id = read_one(ids);
  EXPECT_EQ(to_string(said.subscribe().next_for(100ms).status()), "empty");

  ::kill(id, SIGKILL);

  join(y);
  EXPECT_NO_THROW(y.check_for_exceptions());
}

TEST_F(deaths, of_the_consumer_end_a_stage_that_publishes) {
  auto x = env.run<stuck>("stuck"s, b, ids);
  auto y = env.run<passing<int>>("stage"s, a, b);
  auto z = env.run<counting<int>>("source"s, a, 1, 2'000'000'000);
  const auto id = read_one(ids);
  EXPECT_TRUE(eventually([&] { return b.stats().waiting <= 8; }));

  ::kill(id, SIGKILL);
  join(x);

  EXPECT_THROW(join(rt()), process_lost);
  join(y);
  join(z);
}

TEST_F(deaths, of_the_consumer_after_its_producer_ended_are_told) {
  auto wide = env.make_buffer<int>("wide", 1000);
  auto x = env.run<stuck>("stuck"s, wide, ids);
  auto source = env.run<counting<int>>("source"s, wide, 1, 500);
  const auto id = read_one(ids);
  join(source);
  EXPECT_TRUE(eventually([&] { return workers() == std::vector<pid_t>{id}; }));

  ::kill(id, SIGKILL);
  join(x);

  EXPECT_THROW(x.check_for_exceptions(), process_lost);
  EXPECT_NO_THROW(source.check_for_exceptions());
}

TEST_F(deaths, of_the_producer_after_it_ended_do_not_matter) {
  auto wide = env.make_buffer<int>("wide", 1000);
  auto x = env.run<counting<int>>("x"s, wide, 1, 500);
  join(x);
  EXPECT_TRUE(eventually([&] { return workers().empty(); }));

  auto y = env.run<passing<int>>("y"s, wide, b);

  EXPECT_EQ(read_all(b), numbers(1, 500));
}

// -- frozen -------------------------------------------------------------------

TEST_F(deaths, of_a_process_that_does_not_answer_are_told) {
  const puma::process_environment strict{
    rt(), {.ping_interval = 50ms, .answer_timeout = 2s}};
  auto x = strict.run<sink>("x"s, a);
  wait_for(x);

  ::kill(workers().at(0), SIGSTOP);
  join(x);

  EXPECT_THAT(thrown_text<process_lost>([&] { x.check_for_exceptions(); }),
              HasSubstr("did not answer for 2000 ms"));
}

TEST_F(deaths, of_a_process_that_does_not_answer_may_be_turned_off) {
  const puma::process_environment patient{
    rt(), {.ping_interval = 50ms, .answer_timeout = 0ms}};
  auto x = patient.run<telling_process>("x"s, ids);
  const auto id = read_one(ids);

  ::kill(id, SIGSTOP);
  EXPECT_FALSE(x.join_for(1s));
  ::kill(id, SIGCONT);

  x.stop();
  join(x);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_F(deaths, of_a_frozen_process_come_with_the_end_of_the_runtime) {
  {
    const puma::process_environment patient{
      rt(), {.ping_interval = 50ms, .answer_timeout = 2s}};
    auto x = patient.run<telling_process>("x"s, ids);
    ::kill(read_one(ids), SIGSTOP);

    const auto before = steady::now();
    destroy_runtime();
    EXPECT_LT(steady::now() - before, patience);
  }
}

// -- memory -------------------------------------------------------------------

TEST_F(deaths, do_not_come_of_a_stopped_consumer_nor_does_memory_grow) {
  const puma::process_environment patient{rt(), {.answer_timeout = 0ms}};
  constexpr std::size_t capacity = 16;
  auto d = patient.make_buffer<std::string>("d", capacity);
  auto e = patient.make_buffer<std::string>("e", capacity,
                                            {.warn_about_leftovers = false});
  auto stage = patient.run<passing<std::string>>("stage"s, d, e);
  auto from = e.subscribe();
  wait_for(stage);
  const auto consumer = workers().at(0);
  constexpr std::size_t size = 256u * 1024;
  auto source = patient.run(puma::generate(
    "source", d, [] { return std::optional{std::string(size, 'x')}; }));
  wait_for(source);
  EXPECT_EQ(read(from, 200).values.size(), 200u);
  const auto all = workers();
  ASSERT_EQ(all.size(), 2u);
  const auto producer = all[0] == consumer ? all[1] : all[0];
  ::kill(consumer, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return state_of(consumer) == 'T'; }));
  const auto before = resident_bytes(producer);
  const auto own = resident_bytes(::getpid());
  std::size_t most = 0;
  for (int i = 0; i != 100; ++i) {
    most = std::max(most, resident_bytes(producer));
    std::this_thread::sleep_for(10ms);
  }
  const auto own_after = resident_bytes(::getpid());
  ::kill(consumer, SIGCONT);

  constexpr std::size_t limit = capacity * size + 4u * 1024 * 1024;
  EXPECT_LE(most, before + limit) << "before: " << before;
  EXPECT_LE(own_after, own + limit);
  EXPECT_EQ(read(from, 100).values.size(), 100u);
}

// -- many ---------------------------------------------------------------------

TEST_F(deaths, at_random_moments_are_always_told) {
  const unsigned seed = std::getenv("PUMA_SEED") ? static_cast<unsigned>(
                          std::stoul(std::getenv("PUMA_SEED")))
                                                 : 20240607u;
  std::cout << "seed " << seed << '\n';
  std::mt19937 random{seed};
  constexpr int rounds = 200;
  for (int round = 0; round != rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    auto from = env.make_buffer<int>("from", 32);
    auto to = env.make_buffer<int>("to", 32, {.warn_about_leftovers = false});
    std::vector<puma::runner> runners;
    runners.push_back(
      env.run<counting<int>>("source"s, from, 1, 2'000'000'000));
    runners.push_back(env.run<passing<int>>("stage"s, from, to));
    auto end = std::async(std::launch::async, [to] { return read(to); });
    const auto delay = std::chrono::microseconds{random() % 60'000};
    const auto index = random() % 2;
    std::this_thread::sleep_for(delay);
    const auto all = workers();
    ASSERT_EQ(all.size(), 2u);
    ASSERT_EQ(::kill(all[index], SIGKILL), 0);

    const auto found = end.get();
    EXPECT_EQ(to_string(found.end), "failed");
    EXPECT_EQ(found.values, numbers(1, static_cast<int>(found.values.size())));
    ASSERT_NO_FATAL_FAILURE(join(runners[index]));
    EXPECT_TRUE(runners[index].last_failure());
    for (auto& x : runners)
      x.stop();
    for (auto& x : runners)
      ASSERT_NO_FATAL_FAILURE(join(x));
    ASSERT_TRUE(eventually([&] { return workers().empty(); }));
    try {
      join(rt());
    } catch (const process_lost&) {
      // The source's own error, where nobody else has got it.
    }
    if (HasFailure()) {
      std::cout << "delay " << delay.count() << " us, worker " << index << '\n';
      return;
    }
  }
}

} // namespace
