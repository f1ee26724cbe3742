// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/places.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"

#include <atomic>
#include <csignal>
#include <mutex>

#include <unistd.h>

using namespace puma_test;
using puma::runnable_ended;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::HasSubstr;

namespace {

/// What cannot leave its process.
class tally {
 public:
  explicit tally(puma::publisher<int>* gone = nullptr) : gone_(gone) {}

  tally(const tally&) = delete;
  tally& operator=(const tally&) = delete;

  ~tally() {
    if (gone_)
      gone_->publish(value_);
  }

  int add(int x) { return value_ += x; }

  [[nodiscard]] int value() const { return value_; }

  int fail() { throw std::domain_error{"not in a tally"}; }

 private:
  std::mutex mutex_;
  int value_ = 0;
  puma::publisher<int>* gone_;
};

/// Answers calls; tells `gone` which of its tallies go.
class answering : public puma::command_driven_runnable {
 public:
  explicit answering(std::string name)
    : command_driven_runnable(std::move(name)) {}

  answering(std::string name, const puma::buffer<int>& gone)
    : command_driven_runnable(std::move(name)),
      gone_(publish_to(gone)) {}

  int add(int x) { return sum_ += x; }

  [[nodiscard]] int sum() const { return sum_; }

  report extend(report x, const std::string& text) {
    x.text += text;
    return x;
  }

  std::string doubled(const std::string& x) { return x + x; }

  std::unique_ptr<int> next(std::unique_ptr<int> x) {
    ++*x;
    return x;
  }

  pid_t process() { return ::getpid(); }

  int fail(const std::string& text) { throw std::out_of_range{text}; }

  void end() { stop(); }

  void crash() { std::abort(); }

  int of_pointer(const int* x) { return *x; }

  tally make_tally() { return tally{gone_ ? &*gone_ : nullptr}; }

  tally& own_tally() { return own_; }

  /// Keeps a reference, here.
  void keep(puma::remote<tally> x) { kept_ = std::move(x); }

  puma::remote<tally> kept() { return kept_; }

  void forget() { kept_ = {}; }

 private:
  std::optional<puma::publisher<int>> gone_;
  int sum_ = 0;
  tally own_;
  puma::remote<tally> kept_;
};

/// Makes calls of others.
class asking : public puma::command_driven_runnable {
 public:
  explicit asking(std::string name)
    : command_driven_runnable(std::move(name)) {}

  int add_at(const puma::remote<answering>& other, int x) {
    return other.call<&answering::add>(x);
  }

  int add_to(const puma::remote<tally>& other, int x) {
    return other.call<&tally::add>(x);
  }

  int add_to_new(const puma::remote<answering>& other) {
    return other.call<&answering::make_tally>().call<&tally::add>(7);
  }

  /// Where waiting is not allowed.
  void ask(const puma::remote<answering>& other,
           const puma::buffer<int>& answers) {
    other.async<&answering::add>(1).then(
      [this, out = std::make_shared<puma::publisher<int>>(publish_to(answers))](
        int sum) {
        out->publish(sum);
        stop();
      });
  }

  std::string error_of(const puma::remote<answering>& other) {
    try {
      other.call<&answering::fail>("no");
    } catch (const std::out_of_range& error) {
      return error.what();
    }
    return "nothing";
  }
};

class calls : public place_test {
 protected:
  puma::runner x = env().run<answering>("x"s);
};

INSTANTIATE_TEST_SUITE_P(, calls, any_place_at_all, place_name);

// -- one runnable -------------------------------------------------------------

TEST_P(calls, return_results) {
  EXPECT_EQ(x.call<&answering::add>(3), 3);
  EXPECT_EQ(x.call<&answering::add>(4), 7);
  EXPECT_EQ(x.call<&answering::sum>(), 7);
  EXPECT_EQ(x.call<&puma::runnable::name>(), "x");
}

TEST_P(calls, run_where_the_runnable_is) {
  EXPECT_EQ(x.call<&answering::process>() == ::getpid(),
            GetParam() == place::threads);
}

TEST_P(calls, carry_values_of_many_parts) {
  auto expected = made<report>(3);
  expected.text += "!";

  EXPECT_EQ(x.call<&answering::extend>(made<report>(3), "!"), expected);
  EXPECT_EQ(*x.call<&answering::next>(std::make_unique<int>(1)), 2);
}

TEST_P(calls, carry_values_larger_than_a_frame) {
  const auto text = made<large>(1).bytes;

  EXPECT_TRUE(x.call<&answering::doubled>(text) == text + text);
}

TEST_P(calls, throw_the_methods_exception_with_its_type) {
  try {
    x.call<&answering::fail>("no such thing");
    FAIL() << "nothing was thrown";
  } catch (const std::out_of_range& error) {
    EXPECT_STREQ(error.what(), "no such thing");
    ASSERT_TRUE(puma::current_failure());
    EXPECT_EQ(puma::current_failure()->runnable(), "x");
  }
  EXPECT_EQ(x.call<&answering::add>(1), 1);
}

TEST_P(calls, are_made_in_the_order_in_which_they_were_sent) {
  for (int i = 0; i != 1'000; ++i)
    x.post<&answering::add>(1);
  EXPECT_EQ(x.call<&answering::sum>(), 1'000);

  std::vector<puma::future<int>> answers;
  for (int i = 0; i != 1'000; ++i)
    answers.push_back(x.async<&answering::add>(1));
  for (int i = 0; i != 1'000; ++i)
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].get(), 1'001 + i);
}

TEST_P(calls, that_are_wrong_for_the_runnable_are_refused) {
  EXPECT_THROW(x.call<&tally::value>(), usage_error);
}

TEST_P(calls, whose_arguments_cannot_cross_work_in_threads) {
  const int value = 5;

  if (GetParam() == place::threads) {
    EXPECT_EQ(x.call<&answering::of_pointer>(&value), 5);
  } else {
    EXPECT_THAT(
      thrown_text<usage_error>([&] { x.call<&answering::of_pointer>(&value); }),
      AllOf(HasSubstr("of_pointer"), HasSubstr("argument 1"),
            HasSubstr("pointer")));
  }
}

// -- the end ------------------------------------------------------------------

TEST_P(calls, before_the_start_are_refused) {
  auto y = env().make<answering>("y"s);

  EXPECT_THROW(y.call<&answering::sum>(), usage_error);
}

TEST_P(calls, after_the_end_say_so) {
  x.stop();
  join(x);

  EXPECT_THROW(x.call<&answering::sum>(), runnable_ended);
}

TEST_P(calls, that_were_posted_before_a_stop_are_made) {
  auto gone = env().make_buffer<int>("gone", 8);
  auto y = env().run<answering>("y"s, gone);
  auto in = gone.subscribe();
  const auto made = y.call<&answering::make_tally>();

  made.post<&tally::add>(4);
  y.stop();
  join(y);

  EXPECT_EQ(read_one(in), 4);
}

TEST_P(calls, to_one_that_fails_meanwhile_end_at_once) {
  x.post<&answering::fail>("broken");

  EXPECT_THROW(x.call<&answering::sum>(), runnable_ended);
  join(x);
  EXPECT_THROW(x.check_for_exceptions(), std::out_of_range);
}

// -- references ---------------------------------------------------------------

TEST_P(calls, refer_to_results_that_cannot_leave) {
  auto gone = env().make_buffer<int>("gone", 8);
  auto in = gone.subscribe();
  auto y = env().run<answering>("y"s, gone);

  auto made = y.call<&answering::make_tally>();
  EXPECT_EQ(made.call<&tally::add>(2), 2);
  auto copy = made;
  made = {};
  EXPECT_EQ(copy.call<&tally::add>(2), 4);
  EXPECT_THROW(copy.call<&tally::fail>(), std::domain_error);
  copy = {};

  EXPECT_EQ(read_one(in), 4) << "the object should have gone";
}

TEST_P(calls, refer_to_objects_of_the_runnable) {
  EXPECT_EQ(x.call<&answering::own_tally>().call<&tally::add>(2), 2);
  EXPECT_EQ(x.call<&answering::own_tally>().call<&tally::add>(2), 4);
}

TEST_P(calls, through_references_fail_after_the_end) {
  const auto own = x.call<&answering::own_tally>();
  const auto itself = x.as<answering>();
  EXPECT_EQ(itself.call<&answering::add>(1), 1);

  x.stop();
  join(x);

  EXPECT_THROW(own.call<&tally::value>(), runnable_ended);
  EXPECT_THROW(itself.call<&answering::sum>(), runnable_ended);
}

// -- proxies ------------------------------------------------------------------

/// What the owner offers.
class store {
 public:
  virtual ~store() = default;
  virtual int put(const std::string& key, int value) = 0;
};

class counting_store final : public store {
 public:
  int put(const std::string& key, int value) override {
    if (key.empty())
      throw std::invalid_argument{"no key"};
    EXPECT_FALSE(busy.exchange(true)) << "two calls at once";
    values[key] += value;
    ++calls;
    busy = false;
    return values[key];
  }

  std::atomic<bool> busy = false;
  std::map<std::string, int> values;
  int calls = 0;
};

/// Uses what the owner offers.
class putting : public puma::single_buffer_servicing_runnable<int> {
 public:
  putting(std::string name, const puma::buffer<int>& in, puma::remote<store> to)
    : single_buffer_servicing_runnable(std::move(name), in),
      to_(std::move(to)) {}

 protected:
  void on_value(int& x) override { to_.call<&store::put>("sum", x); }

 private:
  puma::remote<store> to_;
};

TEST_P(calls, reach_objects_of_the_owner_one_after_the_other) {
  counting_store object;
  const auto offered = env().make_proxy<store>("store"s, object);
  std::vector<puma::runner> users;
  std::vector<puma::buffer<int>> buffers;
  for (int i = 0; i != 3; ++i) {
    buffers.push_back(env().make_buffer<int>("in", 8));
    users.push_back(env().run<putting>(puma::dedicated, "user"s, buffers.back(),
                                       offered.reference()));
  }
  for (auto& b : buffers) {
    auto out = b.open_publisher();
    send_numbers(out, 1, 100);
    out.complete();
  }
  for (auto& user : users) {
    join(user);
    EXPECT_NO_THROW(user.check_for_exceptions());
  }

  EXPECT_EQ(offered.reference().call<&store::put>("sum", 0), 3 * 5'050);
  EXPECT_EQ(object.calls, 301);
}

TEST_P(calls, bring_errors_of_the_owners_objects) {
  counting_store object;
  const auto offered = env().make_proxy<store>("store"s, object);

  EXPECT_THROW(offered.reference().call<&store::put>("", 1),
               std::invalid_argument);
}

TEST_P(calls, of_an_object_that_is_offered_no_more_fail) {
  counting_store object;
  puma::remote<store> late;
  {
    const auto offered = env().make_proxy<store>("store"s, object);
    late = offered.reference();
    EXPECT_EQ(late.call<&store::put>("a", 1), 1);
  }

  auto in = env().make_buffer<int>("in", 8);
  auto user = env().run<putting>(puma::dedicated, "user"s, in, late);
  auto out = in.open_publisher();
  send(out, 1);
  join(user);

  EXPECT_THROW(user.check_for_exceptions(), runnable_ended);
  EXPECT_THROW(late.call<&store::put>("a", 1), runnable_ended);
}

// -- between runnables --------------------------------------------------------

TEST_P(calls, go_from_runnable_to_runnable) {
  auto y = env().run<asking>(puma::dedicated, "y"s);

  EXPECT_EQ(y.call<&asking::add_at>(x.as<answering>(), 3), 3);
  EXPECT_EQ(y.call<&asking::error_of>(x.as<answering>()), "no");
  EXPECT_EQ(x.call<&answering::sum>(), 3);
}

TEST_P(calls, continue_in_runnables_that_must_not_wait) {
  auto answers = env().make_buffer<int>("answers", 8);
  auto in = answers.subscribe();
  auto y = env().run<asking>("y"s);

  EXPECT_THROW(y.call<&asking::add_at>(x.as<answering>(), 3), usage_error);
  y.call<&asking::ask>(x.as<answering>(), answers);

  EXPECT_EQ(read_one(in), 1);
}

TEST_P(calls, go_through_references_that_others_have_passed_on) {
  auto gone = env().make_buffer<int>("gone", 8);
  auto in = gone.subscribe();
  auto maker = env().run<answering>("maker"s, gone);
  auto keeper = env().run<answering>("keeper"s);
  auto user = env().run<asking>(puma::dedicated, "user"s);

  keeper.call<&answering::keep>(maker.call<&answering::make_tally>());
  EXPECT_EQ(user.call<&asking::add_to>(keeper.call<&answering::kept>(), 5), 5);
  EXPECT_EQ(maker.call<&answering::sum>(), 0);
  EXPECT_EQ(keeper.call<&answering::kept>().call<&tally::value>(), 5);
  keeper.call<&answering::forget>();

  EXPECT_EQ(read_one(in), 5);
}

TEST_P(calls, let_results_go_that_others_have_referred_to) {
  auto gone = env().make_buffer<int>("gone", 8);
  auto in = gone.subscribe();
  auto maker = env().run<answering>("maker"s, gone);
  auto user = env().run<asking>(puma::dedicated, "user"s);

  EXPECT_EQ(user.call<&asking::add_to_new>(maker.as<answering>()), 7);

  EXPECT_EQ(read_one(in), 7);
}

// -- deaths -------------------------------------------------------------------

class calls_between_processes : public process_test {};

TEST_F(calls_between_processes, end_with_the_process) {
  auto x = env.run<answering>("x"s);
  EXPECT_EQ(x.call<&answering::add>(1), 1);

  EXPECT_THAT(thrown_text<runnable_ended>([&] { x.call<&answering::crash>(); }),
              HasSubstr("answering::crash"));
  EXPECT_THROW(x.call<&answering::sum>(), runnable_ended);
  join(x);
  EXPECT_THROW(x.check_for_exceptions(), puma::process_lost);
}

TEST_F(calls_between_processes, end_in_other_workers_with_the_process) {
  auto x = env.run<answering>("x"s);
  auto y = env.run<asking>(puma::dedicated, "y"s);
  const auto id = x.call<&answering::process>();
  EXPECT_EQ(y.call<&asking::add_at>(x.as<answering>(), 1), 1);
  const auto other = x.as<answering>();

  ::kill(id, SIGSTOP);
  EXPECT_TRUE(eventually([&] { return state_of(id) == 'T'; }));
  auto answer = y.async<&asking::add_at>(other, 1);
  EXPECT_FALSE(answer.ready());
  ::kill(id, SIGKILL);

  EXPECT_THROW(answer.get_for(patience), runnable_ended);
  EXPECT_THROW(y.call<&asking::add_at>(other, 1), runnable_ended);
  // One that has never heard of it.
  auto z = env.run<asking>(puma::dedicated, "z"s);
  EXPECT_THROW(z.call<&asking::add_at>(other, 1), runnable_ended);
  join(x);
  EXPECT_THROW(x.check_for_exceptions(), puma::process_lost);
}

TEST_F(calls_between_processes, let_objects_go_whose_users_have_died) {
  auto gone = env.make_buffer<int>("gone", 8);
  auto in = gone.subscribe();
  auto maker = env.run<answering>("maker"s, gone);
  auto keeper = env.run<answering>("keeper"s);
  keeper.call<&answering::keep>(maker.call<&answering::make_tally>());
  EXPECT_EQ(maker.call<&answering::sum>(), 0);

  ::kill(keeper.call<&answering::process>(), SIGKILL);

  EXPECT_EQ(read_one(in), 0);
  join(keeper);
  EXPECT_THROW(keeper.check_for_exceptions(), puma::process_lost);
}

} // namespace
