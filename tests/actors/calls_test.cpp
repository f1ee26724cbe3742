// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/actors/runner.hpp"
#include "puma/base/error.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::runnable_ended;
using puma::usage_error;
constexpr auto warning = puma::log_level::warning;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

/// What cannot leave its process: it is neither copied nor moved.
class counter {
 public:
  explicit counter(std::shared_ptr<std::atomic<int>> live = {})
    : live_(std::move(live)) {
    if (live_)
      ++*live_;
  }

  counter(const counter&) = delete;
  counter& operator=(const counter&) = delete;

  ~counter() {
    if (live_)
      --*live_;
  }

  int add(int x) {
    const std::lock_guard guard{mutex_};
    return value_ += x;
  }

  [[nodiscard]] int value() const { return value_; }

 private:
  mutable std::mutex mutex_;
  int value_ = 0;
  std::shared_ptr<std::atomic<int>> live_;
};

struct base_class {
  int inherited() { return 17; }

  int of_the_base = 17;
};

class machine : public puma::command_driven_runnable, public base_class {
 public:
  explicit machine(std::string name, events log = {})
    : command_driven_runnable(std::move(name)),
      log_(std::move(log)) {}

  int add(int x) { return sum_ += x; }

  [[nodiscard]] int sum() const noexcept { return sum_; }

  void append(const std::string& x, int times) {
    for (; times > 0; --times)
      text_ += x;
  }

  [[nodiscard]] const std::string& text() const { return text_; }

  std::unique_ptr<int> wrap(std::unique_ptr<int> x) {
    ++*x;
    return x;
  }

  int at(int x) { return x; }
  [[nodiscard]] int at(int x) const { return -x; }
  std::string at(const std::string& x) { return x + "!"; }

  int fail(const std::string& text) { throw std::out_of_range{text}; }

  void end() { stop(); }

  void end_and_note(const std::string& x) {
    stop();
    log_.add(x);
  }

  void note(const std::string& x) { log_.add(x); }

  void sleep(std::chrono::nanoseconds duration) {
    log_.add("sleeps");
    puma::sleep_for(duration);
  }

  int open_output(const int_buffer& out) {
    auto to = publish_to(out);
    to.publish(sum_);
    to.complete();
    return sum_;
  }

  counter make_counter(const std::shared_ptr<std::atomic<int>>& live) {
    return counter{live};
  }

  counter& own_counter() { return counter_; }

  puma::remote<machine> self() { return refer_to(*this); }

 private:
  events log_;
  int sum_ = 0;
  std::string text_;
  counter counter_;
};

/// Runs `what` in one of its hooks.
class caller : public puma::command_driven_runnable {
 public:
  using function = std::function<void(caller&)>;

  explicit caller(function what)
    : command_driven_runnable("caller"),
      what_(std::move(what)) {}

  using runnable::stop;

 protected:
  void on_start() override { what_(*this); }

 private:
  function what_;
};

class a_call : public environment_test {
 protected:
  events seen;

  puma::runner run_machine() { return run<machine>("machine", seen); }
};

INSTANTIATE_TEST_SUITE_P(, a_call, any_hosting, with_hosting);

// -- results and errors -------------------------------------------------------

TEST_P(a_call, returns_the_result) {
  auto x = run_machine();

  EXPECT_EQ(x.call<&machine::add>(3), 3);
  EXPECT_EQ(x.call<&machine::add>(4), 7);
  EXPECT_EQ(x.call<&machine::sum>(), 7);
}

TEST_P(a_call, converts_arguments_as_a_plain_call_does) {
  auto x = run_machine();

  x.call<&machine::append>("ab", 2L);

  EXPECT_EQ(x.call<&machine::text>(), "abab");
}

TEST_P(a_call, moves_what_cannot_be_copied) {
  auto x = run_machine();

  EXPECT_EQ(*x.call<&machine::wrap>(std::make_unique<int>(1)), 2);
}

TEST_P(a_call, chooses_among_overloads) {
  auto x = run_machine();

  EXPECT_EQ(x.call<puma::overload<int(int)>(&machine::at)>(2), 2);
  EXPECT_EQ(x.call<puma::overload<int(int) const>(&machine::at)>(2), -2);
  EXPECT_EQ(
    x.call<puma::overload<std::string(const std::string&)>(&machine::at)>("a"),
    "a!");
}

TEST_P(a_call, reaches_methods_of_all_bases) {
  auto x = run_machine();

  EXPECT_EQ(x.call<&machine::inherited>(), 17);
  EXPECT_EQ(x.call<&puma::runnable::name>(), "machine");
}

TEST_P(a_call, throws_the_methods_exception_with_its_type) {
  auto x = run_machine();

  try {
    x.call<&machine::fail>("no such thing");
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "no such thing");
    const auto origin = puma::current_failure();
    ASSERT_TRUE(origin);
    EXPECT_EQ(origin->runnable(), "machine");
    EXPECT_EQ(origin->activity(), "call of machine::fail");
  }
  EXPECT_EQ(x.call<&machine::add>(1), 1) << "it should have gone on";
}

TEST_P(a_call, of_a_class_that_it_is_not_is_refused) {
  auto x = run<stage>("stage", env().make_buffer<int>("in", 1));

  EXPECT_THROW(x.call<&machine::sum>(), usage_error);
}

TEST_P(a_call, may_open_outputs) {
  auto x = run_machine();
  auto out = env().make_buffer<int>("out", 8);
  auto in = out.subscribe();

  x.call<&machine::add>(5);
  x.call<&machine::open_output>(out);

  EXPECT_EQ(*in.next(), 5);
}

// -- order --------------------------------------------------------------------

/// Notes values, and calls that it posts to itself in between.
class interrupted : public puma::single_buffer_servicing_runnable<int> {
 public:
  interrupted(std::string name, const int_buffer& in, events log)
    : single_buffer_servicing_runnable(std::move(name), in),
      log_(std::move(log)) {}

  void note(const std::string& x) { log_.add(x); }

 protected:
  void on_value(int& x) override {
    log_.add(std::to_string(x));
    if (x == 2)
      refer_to(*this).post<&interrupted::note>("call");
  }

 private:
  events log_;
};

TEST_P(a_call, overtakes_values_that_wait) {
  auto in = env().make_buffer<int>("in", 8);
  auto out = in.open_publisher();
  for (int i = 1; i <= 4; ++i)
    out.publish(i);
  out.complete();

  auto x = run<interrupted>("interrupted", in, seen);
  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre("1", "2", "call", "3", "4"));
}

TEST_P(a_call, comes_after_those_that_were_sent_before) {
  auto x = run_machine();

  for (int i = 0; i != 1'000; ++i)
    x.post<&machine::append>(std::to_string(i % 10), 1);

  std::string expected;
  for (int i = 0; i != 1'000; ++i)
    expected += std::to_string(i % 10);
  EXPECT_EQ(x.call<&machine::text>(), expected);
}

TEST_P(a_call, that_was_posted_before_a_stop_is_made) {
  auto x = run_machine();

  x.post<&machine::note>("first");
  x.post<&machine::note>("second");
  x.stop();
  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre("first", "second"));
}

TEST_P(a_call, to_one_that_was_just_started_waits_for_it) {
  auto x = run_machine();

  EXPECT_EQ(x.call<&machine::sum>(), 0);
}

// -- before and after ---------------------------------------------------------

TEST_P(a_call, before_the_start_is_refused) {
  auto x = make<machine>("machine", seen);

  EXPECT_THROW(x.call<&machine::sum>(), usage_error);
  EXPECT_THROW(x.post<&machine::end>(), usage_error);
}

TEST_P(a_call, after_the_end_says_so) {
  auto x = run_machine();
  x.stop();
  x.join();

  EXPECT_THROW(x.call<&machine::sum>(), runnable_ended);
  auto answer = x.async<&machine::sum>();
  EXPECT_TRUE(answer.ready());
  EXPECT_THROW(answer.get(), runnable_ended);
}

TEST_P(a_call, after_a_failure_says_what_failed) {
  auto x = run<caller>([](caller&) { throw std::runtime_error{"too hot"}; });
  x.join();

  try {
    x.call<&puma::runnable::name>();
    FAIL() << "nothing was thrown";
  } catch (const runnable_ended& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("caller"), HasSubstr("too hot")));
  }
  EXPECT_THROW(x.check_for_exceptions(), std::runtime_error);
}

TEST_P(a_call, that_is_overtaken_by_the_end_says_so) {
  auto x = run_machine();

  auto ends = x.async<&machine::end>();
  ends.get();
  x.join();
  EXPECT_THROW(x.call<&machine::sum>(), runnable_ended);
}

TEST_P(a_call, to_one_that_fails_meanwhile_ends_at_once) {
  auto x = run_machine();

  x.post<&machine::fail>("broken");
  try {
    x.call<&machine::sum>();
    FAIL() << "nothing was thrown";
  } catch (const runnable_ended& error) {
    EXPECT_THAT(error.what(), HasSubstr("broken"));
  }
  x.join();
  EXPECT_THROW(x.check_for_exceptions(), std::out_of_range);
}

TEST_P(a_call, that_nobody_can_make_any_more_is_warned_of) {
  auto x = run_machine();
  x.stop();
  x.join();

  x.post<&machine::note>("lost");

  EXPECT_EQ(log.count(warning, "a posted call was not made"), 1u);
  EXPECT_THAT(seen.entries(), IsEmpty());
}

// -- of and by runnables ------------------------------------------------------

/// Calls itself.
class selfish : public puma::command_driven_runnable {
 public:
  explicit selfish(events log)
    : command_driven_runnable("selfish"),
      log_(std::move(log)) {}

  int twice(int x) { return 2 * x; }

  int work() {
    const auto self = refer_to(*this);
    self.post<&selfish::note>("later");
    const auto result = self.call<&selfish::twice>(21);
    note("now");
    return result;
  }

  void note(const std::string& x) { log_.add(x); }

 private:
  events log_;
};

TEST_P(a_call, to_the_runnable_itself_is_made_at_once) {
  auto x = run<selfish>(seen);

  EXPECT_EQ(x.call<&selfish::work>(), 42);

  x.stop();
  x.join();
  EXPECT_THAT(seen.entries(), ElementsAre("now", "later"));
}

TEST_P(a_call, that_waits_is_refused_in_pooled_runnables) {
  auto x = run_machine();
  auto y = env().run<caller>([&](caller& me) {
    try {
      x.call<&machine::sum>();
      ADD_FAILURE() << "was not refused";
    } catch (const usage_error& error) {
      EXPECT_THAT(error.what(), HasSubstr("then"));
    }
    me.stop();
  });
  y.join();
  EXPECT_NO_THROW(y.check_for_exceptions());
}

TEST_P(a_call, may_be_waited_for_in_dedicated_runnables) {
  auto x = run_machine();
  auto y = env().run<caller>(puma::dedicated, [&](caller& me) {
    seen.add(std::to_string(x.call<&machine::add>(2)));
    seen.add(std::to_string(x.async<&machine::add>(2).get()));
    me.stop();
  });
  y.join();
  EXPECT_NO_THROW(y.check_for_exceptions());
  EXPECT_THAT(seen.entries(), ElementsAre("2", "4"));
}

TEST_P(a_call, continues_in_the_callers_scope) {
  auto x = run_machine();
  auto y = run<caller>([&](caller& me) {
    x.async<&machine::add>(2).then([&](int sum) {
      seen.add(std::to_string(sum));
      EXPECT_NO_THROW(static_cast<void>(me.missed_ticks())) << "not its scope";
      me.stop();
    });
    seen.add("asked");
  });
  y.join();
  EXPECT_NO_THROW(y.check_for_exceptions());
  EXPECT_THAT(seen.entries(), ElementsAre("asked", "2"));
}

TEST_P(a_call, continues_with_its_error) {
  auto x = run_machine();
  auto y = run<caller>([&](caller& me) {
    x.async<&machine::fail>("no").then([](int) { FAIL() << "it has failed"; },
                                       [&](const puma::failure& error) {
                                         seen.add(std::string{error.text()});
                                         me.stop();
                                       });
  });
  y.join();
  EXPECT_NO_THROW(y.check_for_exceptions());
  EXPECT_THAT(seen.entries(), ElementsAre("no"));
}

TEST_P(a_call, ends_its_caller_with_an_error_that_it_does_not_take) {
  auto x = run_machine();
  auto y = run<caller>(
    [&](caller&) { x.async<&machine::fail>("no").then([](int) {}); });
  y.join();

  EXPECT_THROW(y.check_for_exceptions(), std::out_of_range);
}

TEST_P(a_call, cannot_continue_outside_of_runnables) {
  auto x = run_machine();

  EXPECT_THROW(x.async<&machine::sum>().then([](int) {}), usage_error);
}

TEST_P(a_call, is_answered_by_a_dedicated_runnable_that_waits) {
  auto never = env().make_buffer<int>("never", 1);
  auto keep = never.open_publisher();
  class waiting : public puma::command_driven_runnable {
   public:
    waiting(int_buffer from, events log)
      : command_driven_runnable("waiting"),
        from_(std::move(from)),
        log_(std::move(log)) {}

    int answer() { return 42; }

   protected:
    void on_start() override {
      auto in = from_.subscribe();
      log_.add("waits");
      EXPECT_EQ(*in.next(), 1);
      log_.add("goes on");
      stop();
    }

   private:
    int_buffer from_;
    events log_;
  };
  auto x = env().run<waiting>(puma::dedicated, never, seen);

  EXPECT_EQ(x.call<&waiting::answer>(), 42);
  EXPECT_EQ(x.call<&waiting::answer>(), 42);
  keep.publish(1);
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_THAT(seen.entries(), ElementsAre("waits", "goes on"));
}

/// Waits in its constructor, for a number.
class late : public puma::command_driven_runnable {
 public:
  late(const int_buffer& from, events log) : command_driven_runnable("late") {
    EXPECT_THROW(refer_to(*this).call<&late::number>(), usage_error);
    auto in = from.subscribe();
    log.add("waits");
    number_ = *in.next();
  }

  int number() { return number_; }

 private:
  int number_ = 0;
};

TEST_P(a_call, waits_for_the_constructor_to_return) {
  auto in = env().make_buffer<int>("in", 1);
  auto x = env().run<late>(puma::dedicated, in, seen);
  EXPECT_TRUE(eventually([&] { return seen.has("waits"); }));

  auto answer = x.async<&late::number>();
  EXPECT_FALSE(answer.ready());
  auto out = in.open_publisher();
  out.publish(42);

  EXPECT_EQ(answer.get(), 42);
}

TEST_P(a_call, between_two_dedicated_runnables_that_call_each_other_works) {
  class peer : public puma::command_driven_runnable {
   public:
    explicit peer(int_buffer go)
      : command_driven_runnable("peer"),
        go_(std::move(go)) {}

    void meet(const puma::remote<peer>& other) { other_ = other; }

    int value() { return 1; }

    int answer() { return answer_; }

   protected:
    void on_start() override {
      // Calls are answered while it waits.
      auto in = go_.subscribe();
      EXPECT_EQ(*in.next(), 1);
      answer_ = other_.call<&peer::value>() + 1;
    }

   private:
    int_buffer go_;
    puma::remote<peer> other_;
    int answer_ = 0;
  };
  auto go_x = env().make_buffer<int>("go_x", 1);
  auto go_y = env().make_buffer<int>("go_y", 1);
  auto x = env().run<peer>(puma::dedicated, go_x);
  auto y = env().run<peer>(puma::dedicated, go_y);
  x.call<&peer::meet>(y.as<peer>());
  y.call<&peer::meet>(x.as<peer>());

  auto to_x = go_x.open_publisher();
  auto to_y = go_y.open_publisher();
  to_x.publish(1);
  to_y.publish(1);

  EXPECT_TRUE(eventually([&] { return x.call<&peer::answer>() == 2; }));
  EXPECT_TRUE(eventually([&] { return y.call<&peer::answer>() == 2; }));
}

// -- limits -------------------------------------------------------------------

TEST_P(a_call, that_takes_too_long_is_given_up) {
  auto x = env().run<machine>(puma::dedicated, "machine", seen);
  auto slow = x.async<&machine::sleep>(3600s);
  EXPECT_TRUE(eventually([&] { return seen.has("sleeps"); }));

  try {
    x.call_for<&machine::note>(50ms, "too late");
    FAIL() << "nothing was thrown";
  } catch (const puma::timeout_error& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("machine::note"), HasSubstr("50 ms"),
                      HasSubstr("call of machine::sleep")));
  }
  x.stop();
  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre("sleeps"))
    << "it should not be made any more";
}

TEST_P(a_call, is_refused_when_too_many_wait) {
  auto x = env().run<machine>(puma::dedicated, "machine", seen);
  auto slow = x.async<&machine::sleep>(60s);
  EXPECT_TRUE(eventually([&] { return seen.has("sleeps"); }));
  const auto flood = [&] {
    for (int i = 0; i != 1'000'000; ++i)
      x.post<&machine::add>(1);
  };

  EXPECT_THROW(flood(), puma::buffer_full);
}

TEST_P(a_call, may_be_stopped_while_it_waits) {
  auto x = env().run<machine>(puma::dedicated, "machine", seen);
  auto slow = x.async<&machine::sleep>(3600s);
  EXPECT_TRUE(eventually([&] { return seen.has("sleeps"); }));

  x.stop();

  x.join();
  EXPECT_THROW(slow.get(), runnable_ended);
  EXPECT_NO_THROW(x.check_for_exceptions());
}

/// Something is said once for each method.
class warnings_of_calls : public environment_test {};

INSTANTIATE_TEST_SUITE_P(, warnings_of_calls, no_hosting, without_hosting);

TEST_P(warnings_of_calls, are_given_once_of_frequent_calls) {
  auto x = run<selfish>(events{});

  for (int i = 0; i != 3; ++i)
    x.call<&selfish::twice>(1);
  EXPECT_EQ(log.count(warning, "selfish::twice"), 0u);
  for (int i = 0; i != 8; ++i)
    x.call<&selfish::twice>(1);

  EXPECT_EQ(log.count(warning, "selfish::twice"), 1u);
}

TEST_P(warnings_of_calls, are_given_once_of_slow_calls) {
  auto x = env().run<machine>(puma::dedicated, "machine");

  x.call<&machine::sleep>(1ms);
  EXPECT_EQ(log.count(warning, "machine::sleep"), 0u);
  x.call<&machine::sleep>(1100ms);
  x.call<&machine::sleep>(1100ms);

  EXPECT_EQ(log.count(warning, "machine::sleep"), 1u);
  EXPECT_EQ(log.count(warning, "ms, during which"), 1u);
}

// -- references ---------------------------------------------------------------

TEST_P(a_call, refers_to_a_result_that_cannot_leave) {
  auto x = run_machine();
  const auto live = std::make_shared<std::atomic<int>>(0);

  auto made = x.call<&machine::make_counter>(live);
  static_assert(std::is_same_v<decltype(made), puma::remote<counter>>);
  EXPECT_EQ(made.call<&counter::add>(2), 2);
  auto copy = made;
  EXPECT_EQ(copy.call<&counter::add>(2), 4);
  EXPECT_EQ(made.call<&counter::value>(), 4);

  made = {};
  EXPECT_EQ(copy.call<&counter::value>(), 4);
  EXPECT_EQ(*live, 1);
  copy = {};
  EXPECT_TRUE(eventually([&] { return *live == 0; }));
}

TEST_P(a_call, refers_to_an_object_of_the_runnable) {
  auto x = run_machine();

  const auto own = x.call<&machine::own_counter>();
  static_assert(std::is_same_v<decltype(own), const puma::remote<counter>>);
  EXPECT_EQ(own.call<&counter::add>(2), 2);
  EXPECT_EQ(x.call<&machine::own_counter>().call<&counter::add>(2), 4);
}

TEST_P(a_call, through_a_reference_fails_after_the_runnables_end) {
  auto x = run_machine();
  const auto live = std::make_shared<std::atomic<int>>(0);
  const auto made = x.call<&machine::make_counter>(live);

  x.stop();
  x.join();

  EXPECT_EQ(*live, 0) << "it should go with the runnable";
  EXPECT_THROW(made.call<&counter::value>(), runnable_ended);
}

TEST_P(a_call, through_a_reference_to_nothing_is_refused) {
  const puma::remote<counter> nothing;

  EXPECT_FALSE(nothing);
  EXPECT_THROW(nothing.call<&counter::value>(), usage_error);
}

TEST_P(a_call, goes_through_references_to_runnables) {
  auto x = run_machine();
  const auto other = x.as<machine>();

  EXPECT_EQ(other.call<&machine::add>(1), 1);
  EXPECT_EQ(x.call<&machine::self>().call<&machine::add>(1), 2);
}

} // namespace
