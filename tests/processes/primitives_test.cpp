// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/home_node.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/internal/shared_arena.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/forks.hpp"

#include <csignal>
#include <cstdint>
#include <optional>

#include <sys/wait.h>
#include <unistd.h>

using namespace puma_test;
using puma::internal::shared_arena;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

namespace {

using counter = puma::shared_value<std::int64_t>;

/// What crosses together.
struct tools {
  counter count;
  puma::event go;
  puma::condition guard;
};

/// Adds one, `times` times.
class adding : public puma::command_driven_runnable {
 public:
  adding(std::string name, counter to, int times)
    : command_driven_runnable(std::move(name)),
      to_(std::move(to)),
      times_(times) {}

 protected:
  void on_start() override {
    for (int i = 0; i != times_; ++i)
      ++to_;
    stop();
  }

 private:
  counter to_;
  int times_;
};

/// Tries to be the one that changes 0 to its number.
class racing : public puma::command_driven_runnable {
 public:
  racing(std::string name, puma::shared_value<int> prize, counter wins,
         int number)
    : command_driven_runnable(std::move(name)) {
    if (prize.compare_exchange(0, number))
      ++wins;
    stop();
  }
};

/// Waits for the event, and counts when it has come. Publishes the id of its
/// process before, and can be called meanwhile.
class waiting : public puma::command_driven_runnable {
 public:
  waiting(std::string name, puma::event go, counter woken,
          const puma::buffer<int>& ids)
    : command_driven_runnable(std::move(name)),
      go_(std::move(go)),
      woken_(std::move(woken)),
      ids_(publish_to(ids)) {}

  [[nodiscard]] int process() const { return ::getpid(); }

 protected:
  void on_start() override {
    ids_.publish(::getpid());
    ids_.close();
    go_.wait();
    ++woken_;
    stop();
  }

 private:
  puma::event go_;
  counter woken_;
  puma::publisher<int> ids_;
};

/// Sets the event at the first value.
class setting : public puma::single_buffer_servicing_runnable<int> {
 public:
  setting(std::string name, const puma::buffer<int>& in, puma::event go)
    : single_buffer_servicing_runnable(std::move(name), in),
      go_(std::move(go)) {}

 protected:
  void on_value(int&) override { go_.set(); }

 private:
  puma::event go_;
};

/// Uses what comes in values.
class using_tools : public puma::single_buffer_servicing_runnable<tools> {
 public:
  using_tools(std::string name, const puma::buffer<tools>& in)
    : single_buffer_servicing_runnable(std::move(name), in) {}

 protected:
  void on_value(tools& x) override {
    x.guard.change([&] { x.count.add(10); });
    x.go.set();
  }
};

/// Makes tools in its own process, and waits until somebody has used them.
class making_tools : public puma::command_driven_runnable {
 public:
  making_tools(std::string name, const puma::buffer<tools>& to,
               const puma::buffer<int>& result)
    : command_driven_runnable(std::move(name)),
      to_(publish_to(to)),
      result_(publish_to(result)) {}

 protected:
  void on_start() override {
    tools made{counter{"made", 5}, puma::event{"made"},
               puma::condition{"made"}};
    to_.publish(made);
    made.go.wait();
    made.guard.wait([&] { return made.count.get() == 15; });
    result_.publish(static_cast<int>(made.count.get()));
    stop();
  }

 private:
  puma::publisher<tools> to_;
  puma::publisher<int> result_;
};

/// Says what a wait with a limit returns.
class impatient : public puma::command_driven_runnable {
 public:
  impatient(std::string name, tools with, const puma::buffer<int>& to)
    : command_driven_runnable(std::move(name)),
      with_(std::move(with)),
      to_(publish_to(to)) {}

 protected:
  void on_start() override {
    to_.publish(with_.go.wait_for(100ms) ? 1 : 0);
    to_.publish(with_.guard.wait_for(100ms, [] { return false; }) ? 1 : 0);
    to_.publish(with_.guard.wait_for(0ms, [] { return true; }) ? 1 : 0);
    stop();
  }

 private:
  tools with_;
  puma::publisher<int> to_;
};

/// Waits for its turn, which is the last digit of the count, and appends the
/// next one.
class player : public puma::command_driven_runnable {
 public:
  player(std::string name, tools with, const puma::buffer<int>& to, int number)
    : command_driven_runnable(std::move(name)),
      with_(std::move(with)),
      to_(publish_to(to)),
      number_(number) {}

 protected:
  void on_start() override {
    with_.guard.wait([this] { return with_.count.get() % 10 == number_; });
    to_.publish(number_);
    with_.guard.change(
      [this] { with_.count.set(with_.count.get() * 10 + number_ + 1); });
    stop();
  }

 private:
  tools with_;
  puma::publisher<int> to_;
  int number_;
};

/// Ends its process while it changes what a condition guards.
class dying_in_change : public puma::command_driven_runnable {
 public:
  dying_in_change(std::string name, tools with)
    : command_driven_runnable(std::move(name)),
      with_(std::move(with)) {}

 protected:
  void on_start() override {
    with_.guard.change([this] {
      with_.count.set(1);
      std::raise(SIGKILL);
    });
  }

 private:
  tools with_;
};

/// Counts values, and dies at 2 the first time.
class counting_once_dying : public puma::single_buffer_servicing_runnable<int> {
 public:
  counting_once_dying(std::string name, const puma::buffer<int>& in,
                      counter count)
    : single_buffer_servicing_runnable(std::move(name), in),
      count_(std::move(count)) {}

 protected:
  void on_value(int& x) override {
    if (++count_ == 2 && x == 2)
      std::raise(SIGKILL);
  }

 private:
  counter count_;
};

bool was_lost(const puma::runner& x) {
  const auto why = x.last_failure();
  return why && why->type() == "puma::process_lost";
}

std::uint32_t slots_in_use() {
  return shared_arena::instance().sweep(shared_arena::size_class::word);
}

/// What is shared works alike in threads and in processes.
class primitives : public place_test {
 protected:
  puma::buffer<int> in = env().make_buffer<int>("in", 8);
  puma::buffer<int> out = env().make_buffer<int>("out", 8);

  [[nodiscard]] tools make_tools() const {
    return {env().make_value<std::int64_t>("count"), env().make_event("go"),
            env().make_condition("guard")};
  }
};

INSTANTIATE_TEST_SUITE_P(, primitives, any_place, place_name);

TEST_P(primitives, lose_no_addition) {
  auto hits = env().make_value<std::int64_t>("hits", 7);
  std::vector<puma::runner> runners;
  for (int i = 0; i != 4; ++i)
    runners.push_back(env().run<adding>("adding"s, hits, 10'000));
  for (int n = 0; n != 10'000; ++n)
    ++hits;
  for (auto& x : runners)
    join(x);

  EXPECT_EQ(hits.get(), 50'007);
  EXPECT_EQ(hits.name(), "hits");
}

TEST_P(primitives, exchange_in_one_step) {
  auto prize = env().make_value<int>("prize");
  auto wins = env().make_value<std::int64_t>("wins");
  std::vector<puma::runner> runners;
  for (int i = 1; i <= 5; ++i)
    runners.push_back(env().run<racing>("racing"s, prize, wins, i));
  for (auto& x : runners)
    join(x);

  EXPECT_EQ(wins.get(), 1);
  EXPECT_GT(prize.get(), 0);
}

TEST_P(primitives, wake_all_who_wait_for_an_event) {
  auto go = env().make_event("go");
  auto woken = env().make_value<std::int64_t>("woken");
  std::vector<puma::runner> runners;
  for (int i = 0; i != 3; ++i)
    runners.push_back(
      env().run<waiting>(puma::dedicated, "waiting"s, go, woken, out));
  auto setter = env().run<setting>("setting"s, in, go);
  auto ids = out.subscribe();
  read(ids, 3);
  EXPECT_FALSE(go.is_set());
  auto to = in.open_publisher();
  send(to, 1);

  EXPECT_TRUE(go.wait_for(patience));
  for (auto& x : runners)
    join(x);

  EXPECT_EQ(woken.get(), 3);
  EXPECT_TRUE(go.is_set());
  go.clear();
  EXPECT_FALSE(go.is_set());
}

TEST_P(primitives, wake_who_waited_also_if_the_event_is_cleared_at_once) {
  auto go = env().make_event("go");
  auto woken = env().make_value<std::int64_t>("woken");
  auto x = env().run<waiting>(puma::dedicated, "waiting"s, go, woken, out);
  auto ids = out.subscribe();
  read_one(ids);
  // It waits from then on that it can be called.
  x.call<&waiting::process>();

  go.set();
  go.clear();
  join(x);

  EXPECT_EQ(woken.get(), 1);
}

TEST_P(primitives, were_waited_for_before_they_crossed) {
  auto go = env().make_event("go");
  auto guard = env().make_condition("guard");
  auto level = env().make_value<std::int64_t>("level");
  std::jthread first{[&] { EXPECT_TRUE(go.wait_for(patience)); }};
  std::jthread second{[&] {
    EXPECT_TRUE(guard.wait_for(patience, [&] { return level.get() != 0; }));
  }};
  auto buffer = env().make_buffer<tools>("tools", 2);
  auto user = env().run<using_tools>("using"s, buffer);
  auto to = buffer.open_publisher();
  send(to, tools{level, go, guard});

  first.join();
  second.join();
  EXPECT_EQ(level.get(), 10);
}

TEST_P(primitives, cross_in_values) {
  auto with = make_tools();
  auto buffer = env().make_buffer<tools>("tools", 2);
  auto user = env().run<using_tools>("using"s, buffer);
  auto to = buffer.open_publisher();
  send(to, with);
  ASSERT_TRUE(with.go.wait_for(patience));
  with.go.clear();
  send(to, with);
  ASSERT_TRUE(with.go.wait_for(patience));

  EXPECT_EQ(with.count.get(), 20);
}

TEST_P(primitives, may_come_from_where_a_runnable_is) {
  auto buffer = env().make_buffer<tools>("tools", 2);
  auto user = env().run<using_tools>("using"s, buffer);
  auto maker = env().run<making_tools>(puma::dedicated, "making"s, buffer, out);

  EXPECT_EQ(read_one(out), 15);
  join(maker);
}

TEST_P(primitives, give_up_waiting_after_their_time) {
  auto x = env().run<impatient>(puma::dedicated, "impatient"s, make_tools(),
                                out);

  const auto found = read(out);

  EXPECT_THAT(found.values, ElementsAre(0, 0, 1));
  join(x);
}

TEST_P(primitives, may_not_be_waited_for_by_pooled_runnables) {
  auto x = env().run<impatient>("impatient"s, make_tools(), out);

  join(x);
  const auto why = x.last_failure();
  ASSERT_TRUE(why);
  EXPECT_THROW(why->rethrow(), puma::usage_error);
  EXPECT_THAT(std::string{why->text()},
              AllOf(HasSubstr("event 'go'"), HasSubstr("dedicated")));
}

TEST_P(primitives, let_calls_and_stops_through_to_who_waits) {
  auto go = env().make_event("go");
  auto woken = env().make_value<std::int64_t>("woken");
  auto x = env().run<waiting>(puma::dedicated, "waiting"s, go, woken, out);
  const auto id = read_one(out);

  EXPECT_EQ(x.call<&waiting::process>(), id);
  x.stop();
  join(x);

  EXPECT_FALSE(x.last_failure());
  EXPECT_EQ(woken.get(), 0);
}

TEST_P(primitives, let_runnables_take_turns) {
  auto with = make_tools();
  with.count.set(1);
  std::vector<puma::runner> runners;
  for (int i = 3; i != 0; --i)
    runners.push_back(
      env().run<player>(puma::dedicated, "player"s, with, out, i));
  for (auto& x : runners)
    join(x);

  EXPECT_THAT(read(out).values, UnorderedElementsAre(1, 2, 3));
  EXPECT_TRUE(
    with.guard.wait_for(patience, [&] { return with.count.get() == 1234; }));
}

TEST_P(primitives, that_denote_nothing_cannot_be_used) {
  EXPECT_THROW(static_cast<void>(counter{}.get()), puma::usage_error);
  EXPECT_THROW(puma::event{}.set(), puma::usage_error);
  EXPECT_THROW(puma::condition{}.change([] {}), puma::usage_error);
}

// -- what only processes do ---------------------------------------------------

class primitives_in_processes : public process_test {
 protected:
  puma::buffer<int> in = env.make_buffer<int>("in", 8);
  puma::buffer<int> out = env.make_buffer<int>("out", 8);
  tools with{env.make_value<std::int64_t>("count"), env.make_event("go"),
             env.make_condition("guard")};

  [[nodiscard]] void* context() {
    return static_cast<puma::internal::port_context*>(&rt().core().processes());
  }
};

TEST_F(primitives_in_processes, are_not_locked_by_who_was_killed) {
  auto x = env.run<dying_in_change>("dying"s, with);
  // It did not come to telling anybody.
  EXPECT_TRUE(
    with.guard.wait_for(patience, [&] { return with.count.get() == 1; }));

  with.guard.change([&] { with.count.set(2); });
  auto y = env.run<player>(puma::dedicated, "player"s, with, out, 2);
  EXPECT_EQ(read_one(out), 2);
  join(x);
  EXPECT_TRUE(was_lost(x));
  join(y);
}

TEST_F(primitives_in_processes, wake_others_when_one_who_waits_was_killed) {
  auto victim = env.run<waiting>(puma::dedicated, "victim"s, with.go,
                                 with.count, out);
  auto ids = out.subscribe();
  const auto id = read_one(ids);
  auto other = env.run<waiting>(puma::dedicated, "other"s, with.go, with.count,
                                out);
  read_one(ids);
  ::kill(id, SIGKILL);
  join(victim);
  EXPECT_TRUE(was_lost(victim));
  with.go.set();
  join(other);

  EXPECT_EQ(with.count.get(), 1);
}

TEST_F(primitives_in_processes, are_the_same_for_a_successor) {
  auto guard = env.supervisor(
    "guard", {.then = puma::on_failure::restart, .first_backoff = 0s});
  auto x = guard.run<counting_once_dying>("counting"s, in, with.count);
  auto to = in.open_publisher();
  send_numbers(to, 1, 4);
  to.complete();
  join(x);

  // Values that the killed process had in hand come again.
  EXPECT_GE(with.count.get(), 5);
}

TEST_F(primitives_in_processes, leave_nothing_when_their_users_are_killed) {
  const auto before = slots_in_use();
  {
    auto more = tools{env.make_value<std::int64_t>("count"),
                      env.make_event("go"), env.make_condition("guard")};
    auto x = env.run<player>(puma::dedicated, "player"s, more, out, 100);
    wait_for(x);
    EXPECT_GE(slots_in_use(), before + 3);
    ::kill(workers().front(), SIGKILL);
    join(x);
    EXPECT_TRUE(was_lost(x));
  }

  EXPECT_TRUE(eventually([&] { return slots_in_use() <= before; }));
}

TEST_F(primitives_in_processes, are_used_again_when_nobody_needs_them) {
  const auto before = slots_in_use();
  for (int i = 0; i != 1'000; ++i)
    EXPECT_EQ(puma::shared_value<int>("x", i).get(), i);

  EXPECT_EQ(slots_in_use(), before);
}

TEST_F(primitives_in_processes, belong_to_a_forked_process_as_well) {
  if (!puma_test::forks_may_allocate)
    GTEST_SKIP() << "the memory of a forked process may be locked";
  const auto before = slots_in_use();
  std::optional<puma::shared_value<int>> x{std::in_place, "x", 1};
  const auto fork_and = [](const auto& what) {
    const auto id = ::fork();
    if (id == 0) {
      what();
      ::_exit(0);
    }
    return id;
  };
  const auto end = [](pid_t id) {
    int status = 0;
    ::waitpid(id, &status, 0);
  };

  // One that lets go of it, and one that keeps it longer than its parent.
  end(fork_and([&x] { x.reset(); }));
  EXPECT_EQ(slots_in_use(), before + 1);
  EXPECT_EQ(++*x, 2);
  const auto keeper = fork_and([] { ::pause(); });
  x.reset();
  EXPECT_EQ(slots_in_use(), before + 1);
  ::kill(keeper, SIGKILL);
  end(keeper);
  EXPECT_EQ(slots_in_use(), before);
}

TEST_F(primitives_in_processes, say_so_when_there_are_too_many) {
  std::vector<puma::shared_value<int>> all;
  while (all.size() != shared_arena::word_slots)
    all.emplace_back("x", 1);
  auto late = puma::shared_value<int>("late", 5);
  EXPECT_EQ(++late, 6); // here it works all the same

  const auto text = thrown_text<puma::error>([&] {
    static_cast<void>(env.run<waiting>("waiting"s, with.go, with.count, out));
  });
  EXPECT_THAT(text, AllOf(HasSubstr("event 'go'"), HasSubstr("let go of")));

  all.clear();
  auto x = env.run<waiting>(puma::dedicated, "waiting"s, with.go, with.count,
                            out);
  with.go.set();
  join(x);
  EXPECT_EQ(with.count.get(), 1);
}

TEST_F(primitives_in_processes, live_on_while_their_handles_are_on_the_way) {
  std::string bytes;
  {
    puma::encoder to{context()};
    auto set = env.make_event("set");
    set.set();
    puma::encode(to, set);
    bytes.assign(reinterpret_cast<const char*>(to.bytes().data()), to.size());
  }
  for (int i = 0; i != 1'000; ++i)
    static_cast<void>(puma::shared_value<int>("x", i));
  slots_in_use();

  puma::event arrived;
  puma::decoder from{std::as_bytes(std::span{bytes}), context()};
  puma::decode(from, arrived);
  ASSERT_TRUE(from.ok()) << from.error();
  EXPECT_TRUE(arrived.is_set());

  // Now nobody holds it any more.
  arrived = {};
  slots_in_use();
  puma::decoder again{std::as_bytes(std::span{bytes}), context()};
  puma::decode(again, arrived);
  EXPECT_THAT(again.error(), HasSubstr("not in use any more"));
}

TEST_F(primitives_in_processes, are_not_taken_for_something_else) {
  puma::encoder to{context()};
  puma::encode(to, with.go);
  const auto refuses = [&](auto other) {
    puma::decoder from{to.bytes(), context()};
    puma::decode(from, other);
    return !from.ok();
  };

  EXPECT_TRUE(refuses(puma::condition{}));
  EXPECT_TRUE(refuses(counter{}));
  EXPECT_FALSE(refuses(puma::event{}));

  to.clear();
  puma::encode(to, with.count);
  EXPECT_TRUE(refuses(puma::shared_value<int>{}));
  EXPECT_TRUE(refuses(puma::shared_value<std::uint64_t>{}));
}

TEST_F(primitives_in_processes, go_to_processes_of_their_runtime_only) {
  puma::encoder to;

  EXPECT_THAT(
    thrown_text<puma::usage_error>([&] { puma::encode(to, with.count); }),
    HasSubstr("shared value 'count'"));
}

} // namespace
