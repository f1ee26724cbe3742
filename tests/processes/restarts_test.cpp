// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <algorithm>
#include <csignal>
#include <random>
#include <stdexcept>

#include <unistd.h>

using namespace puma_test;
using puma::on_failure;
using puma::supervision_policy;
using puma::value_policy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

/// Restarts at once, as often as it takes.
constexpr supervision_policy always_again{.then = on_failure::restart,
                                          .max_restarts = 1'000,
                                          .first_backoff = 0s,
                                          .max_backoff = 0s};

/// Passes values on, and fails on multiples of `every`.
class choosy : public puma::single_buffer_servicing_runnable<int> {
 public:
  choosy(std::string name, const puma::buffer<int>& in,
         const puma::buffer<int>& out, int every)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      every_(every) {}

 protected:
  void on_value(int& x) override {
    if (x % every_ == 0)
      throw std::invalid_argument{"refuses " + std::to_string(x)};
    out_.publish(x);
  }

 private:
  puma::publisher<int> out_;
  int every_;
};

/// Fails in its constructor, always.
class unmakable : public puma::command_driven_runnable {
 public:
  explicit unmakable(puma::buffer<int>) : command_driven_runnable("unmakable") {
    throw std::domain_error{"not today"};
  }
};

/// Publishes its process id, again and again.
class identifying : public puma::source_runnable {
 public:
  explicit identifying(const puma::buffer<int>& out)
    : source_runnable("identifying"),
      out_(publish_to(out)) {}

  int identify() const { return ::getpid(); }

 protected:
  bool on_demand() override {
    out_.publish(::getpid());
    return true;
  }

 private:
  puma::publisher<int> out_;
};

std::vector<int> without_multiples(int last, int of) {
  std::vector<int> result;
  for (int i = 1; i <= last; ++i)
    if (i % of != 0)
      result.push_back(i);
  return result;
}

class restarted : public place_test {
 protected:
  puma::buffer<int> a = env().make_buffer<int>("a", 8);
  puma::buffer<int> b = env().make_buffer<int>("b", 8);
};

INSTANTIATE_TEST_SUITE_P(, restarted, any_place_at_all, place_name);

TEST_P(restarted, goes_on_behind_the_value_that_it_failed_on) {
  const auto guard = env().supervisor("guard", always_again);
  auto x = guard.run<choosy>("choosy"s, a, b, 7);
  const auto source = env().run<counting<int>>("source"s, a, 1, 50);

  EXPECT_EQ(read_all(b), without_multiples(50, 7));
  join(x);
  EXPECT_FALSE(x.last_failure());
}

TEST_P(restarted, tries_a_value_as_often_as_it_should) {
  const auto guard = env().supervisor("guard", always_again);
  auto letters = env().make_buffer<puma::dead_letter<int>>("letters", 100);
  auto x = guard.with(value_policy::dead_letters(letters, 2))
             .run<choosy>("choosy"s, a, b, 10);
  const auto source = env().run<counting<int>>("source"s, a, 1, 25);

  EXPECT_EQ(read_all(b), without_multiples(25, 10));
  join(x);
  const auto dead = read_all(letters);
  ASSERT_EQ(dead.size(), 2u);
  for (std::size_t i = 0; i != 2; ++i) {
    EXPECT_EQ(dead[i].value, 10 * (static_cast<int>(i) + 1));
    EXPECT_EQ(dead[i].attempts, 3u);
    EXPECT_EQ(dead[i].error.type, "std::invalid_argument");
    EXPECT_THAT(dead[i].error.activity, HasSubstr("on_value"));
  }
}

TEST_P(restarted, is_given_up_after_so_many_failures) {
  const auto guard = env().supervisor(
    "guard", {.then = on_failure::restart, .max_restarts = 2, .period = 10min});
  auto x = guard.run<choosy>("choosy"s, a, b, 3);
  auto out = a.open_publisher();
  send_numbers(out, 1, 8);
  puma::publisher<int> rest = a.open_publisher();
  send_numbers(rest, 9, 10);

  const auto found = read(b);

  EXPECT_EQ(to_string(found.end), "failed");
  EXPECT_THAT(found.values, ElementsAre(1, 2, 4, 5, 7, 8));
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->type(), "puma::restarts_exhausted");
  ASSERT_TRUE(found.error->cause());
  EXPECT_EQ(found.error->cause()->type(), "std::invalid_argument");
  EXPECT_EQ(found.error->cause()->runnable(), "choosy");
  join(x);
}

TEST_P(restarted, is_given_up_when_it_cannot_be_made) {
  const auto guard = env().supervisor(
    "guard", {.then = on_failure::restart, .max_restarts = 1});
  auto x = guard.run<unmakable>(a);

  join(x);

  EXPECT_THROW(x.check_for_exceptions(), puma::restarts_exhausted);
}

TEST_P(restarted, can_be_stopped_by_its_owner) {
  const auto guard = env().supervisor("guard", always_again);
  auto x = guard.run<identifying>(a);
  auto in = a.subscribe();
  static_cast<void>(read_one(in));

  x.stop();
  const auto rest = read(in);

  EXPECT_EQ(to_string(rest.end), "completed");
  join(x);
}

TEST_P(restarted, is_part_of_a_group_that_starts_and_stops) {
  const auto guard = env().supervisor("guard");
  auto x = guard.make<identifying>(a);
  auto y = guard.make<identifying>(b);

  guard.start_all(patience);

  EXPECT_TRUE(x.is_alive());
  EXPECT_TRUE(y.is_alive());
  EXPECT_TRUE(guard.stop_all(patience));
}

/// Its process is killed.
class killed : public process_test {
 protected:
  puma::buffer<int> a = env.make_buffer<int>("a", 8);
};

TEST_F(killed, publishers_are_restarted_in_a_new_process) {
  const auto guard = env.supervisor("guard", always_again);
  auto x = guard.run<identifying>(a);
  auto in = a.subscribe();
  std::vector<int> all;
  for (int i = 0; i != 5; ++i) {
    const auto before = all;
    int id = read_one(in);
    while (std::find(before.begin(), before.end(), id) != before.end())
      id = read_one(in);
    all.push_back(id);
    ASSERT_EQ(::kill(id, SIGKILL), 0);
  }

  int last = all.back();
  while (last == all.back())
    last = read_one(in);
  EXPECT_EQ(log.count(puma::log_level::error, "SIGKILL"), 5u);
  x.stop();
  EXPECT_EQ(to_string(read(in).end), "completed");
  join(x);
}

TEST_F(killed, publishers_are_called_again_when_they_are_back) {
  const auto guard = env.supervisor("guard", always_again);
  auto x = guard.run<identifying>(a);
  const auto first = x.call<&identifying::identify>();

  ASSERT_EQ(::kill(first, SIGKILL), 0);

  int second = first;
  ASSERT_TRUE(eventually([&] {
    try {
      second = x.call<&identifying::identify>();
    } catch (const puma::runnable_ended&) {
      return false; // was under way
    }
    return second != first;
  }));
  x.stop();
  auto in = a.subscribe();
  EXPECT_EQ(to_string(read(in).end), "completed");
}

TEST_F(killed, publishers_fail_their_streams_when_they_are_given_up) {
  const auto guard = env.supervisor(
    "guard", {.then = on_failure::restart, .max_restarts = 0});
  auto x = guard.run<identifying>(a);
  auto in = a.subscribe();
  ASSERT_EQ(::kill(read_one(in), SIGKILL), 0);

  const auto rest = read(in);

  EXPECT_EQ(to_string(rest.end), "failed");
  ASSERT_TRUE(rest.error);
  EXPECT_EQ(rest.error->type(), "puma::restarts_exhausted");
  ASSERT_TRUE(rest.error->cause());
  EXPECT_EQ(rest.error->cause()->type(), "puma::process_lost");
  join(x);
}

/// Passes values on, with its process id.
class signing : public puma::single_buffer_servicing_runnable<int> {
 public:
  signing(const puma::buffer<int>& in, const puma::buffer<signed_number>& out)
    : single_buffer_servicing_runnable("signing", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override {
    out_.publish({static_cast<int>(::getpid()), x});
  }

 private:
  puma::publisher<signed_number> out_;
};

/// Expects that each of 1 to `last` has come, and that they come in order but
/// for what is sent again: behind a number, one that is not the next one was
/// there before.
void expect_all_in_order(const std::vector<signed_number>& found, int last) {
  int highest = 0;
  int previous = 0;
  int by = 0;
  for (auto& x : found) {
    if (x.by == by) {
      EXPECT_EQ(x.number, previous + 1);
    } else {
      EXPECT_LE(x.number, highest + 1);
    }
    by = x.by;
    previous = x.number;
    highest = std::max(highest, x.number);
    if (::testing::Test::HasFailure())
      return;
  }
  EXPECT_EQ(highest, last);
}

/// The consumer of `a` is killed again and again; where the others are depends.
class killed_consumers : public process_test,
                         public ::testing::WithParamInterface<place> {
 protected:
  puma::buffer<int> a = env.make_buffer<int>("a", 16);
  puma::buffer<signed_number> b = env.make_buffer<signed_number>("b", 16);
  puma::thread_environment threads{rt()};

  [[nodiscard]] const puma::environment& elsewhere() const {
    if (GetParam() == place::threads)
      return threads;
    return env;
  }
};

INSTANTIATE_TEST_SUITE_P(, killed_consumers,
                         ::testing::Values(place::threads, place::processes),
                         place_name);

TEST_P(killed_consumers, lose_nothing) {
  constexpr int kills = 100;
  const auto guard = env.supervisor("guard", always_again);
  auto x = guard.run<signing>(a, b);
  auto source = elsewhere().run<counting<int>>("source"s, a, 1, 1'000'000);
  auto in = b.subscribe();
  std::vector<signed_number> found;
  std::mt19937 random{GetParam() == place::threads ? 1u : 2u};
  int victim = 0;
  for (int done = 0; done != kills;) {
    found.push_back(read_one(in));
    ASSERT_FALSE(HasFatalFailure());
    if (found.back().by == victim || random() % 100 != 0)
      continue;
    victim = found.back().by;
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    ++done;
  }
  source.stop();
  const auto rest = read(in);

  EXPECT_EQ(to_string(rest.end), "completed")
    << (rest.error ? rest.error->describe() : "");
  found.insert(found.end(), rest.values.begin(), rest.values.end());
  expect_all_in_order(found, found.back().number);
  EXPECT_EQ(log.count(puma::log_level::error, "SIGKILL"), unsigned{kills});
  join(x);
  join(source);
}

TEST_P(killed_consumers, get_what_a_publisher_left_that_has_ended) {
  const auto guard = env.supervisor("guard", always_again);
  auto many = env.make_buffer<int>("many", 128);
  auto source = elsewhere().run<counting<int>>("source"s, many, 1, 100);
  join(source);
  auto x = guard.run<signing>(many, b); // which does not hold all
  auto in = b.subscribe();
  ASSERT_EQ(::kill(read_one(in).by, SIGKILL), 0);

  const auto rest = read(in);

  EXPECT_EQ(to_string(rest.end), "completed");
  ASSERT_FALSE(rest.values.empty());
  EXPECT_EQ(rest.values.back().number, 100);
  join(x);
}

} // namespace
