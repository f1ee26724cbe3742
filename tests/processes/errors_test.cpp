// SPDX-License-Identifier: Apache-2.0

#include "puma/base/exceptions.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"

#include <stdexcept>

using namespace puma_test;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

namespace {

/// An error type that puma does not know.
struct unknown_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// One that it knows, with its text only.
struct known_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

const puma::known_exception<known_error> known_error_is_known;

/// One that it knows with all that is in it.
struct coded_error : std::exception {
  coded_error() = default;
  explicit coded_error(int x) : code(x) {}

  const char* what() const noexcept override { return "a coded error"; }

  template <class Inspector>
  friend auto inspect(Inspector& f, coded_error& x) {
    return f(x.code);
  }

  int code = 0;
};

const puma::known_exception<coded_error> coded_error_is_known;

enum class kind { out_of_range, unknown, known, coded, number };

[[noreturn]] void throw_error(kind x) {
  switch (x) {
  case kind::out_of_range:
    throw std::out_of_range{"it was too far"};
  case kind::unknown:
    throw unknown_error{"nobody knows"};
  case kind::known:
    throw known_error{"all know"};
  case kind::coded:
    throw coded_error{4711};
  case kind::number:
    throw 17;
  }
  std::abort();
}

/// Passes values on, and throws at one of them.
class failing : public puma::single_buffer_servicing_runnable<int> {
 public:
  failing(std::string name, const puma::buffer<int>& in,
          const puma::buffer<int>& out, int at, kind what)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      at_(at),
      what_(what) {}

 protected:
  void on_value(int& x) override {
    if (x == at_)
      throw_error(what_);
    out_.publish(x);
  }

 private:
  puma::publisher<int> out_;
  int at_;
  kind what_;
};

/// Fails when it is constructed, or at its start.
class failing_early : public puma::command_driven_runnable {
 public:
  failing_early(std::string name, bool in_constructor)
    : command_driven_runnable(std::move(name)) {
    if (in_constructor)
      throw std::domain_error{"not constructed"};
  }

 protected:
  void on_start() override { throw std::domain_error{"not started"}; }
};

/// Handles all errors.
class forgiving : public puma::single_buffer_servicing_runnable<int> {
 public:
  forgiving(std::string name, const puma::buffer<int>& in,
            const puma::buffer<int>& out)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override { out_.publish(x); }
  bool on_error(const puma::failure&) override { return true; }

 private:
  puma::publisher<int> out_;
};

/// Throws when its input completes.
class failing_at_the_end : public puma::single_buffer_servicing_runnable<int> {
 public:
  failing_at_the_end(std::string name, const puma::buffer<int>& in)
    : single_buffer_servicing_runnable(std::move(name), in) {}

 protected:
  void on_value(int&) override {}
  void on_complete(const puma::failure*) override {
    throw std::domain_error{"bad end"};
  }
};

class errors : public place_test {
 protected:
  puma::buffer<int> a = env().make_buffer<int>("a", 8);
  puma::buffer<int> b = env().make_buffer<int>("b", 8);
  puma::buffer<int> c = env().make_buffer<int>("c", 8);
  puma::buffer<std::string> said = env().make_buffer<std::string>("said", 64);
  std::vector<puma::runner> runners;

  ~errors() override { runners.clear(); }

  /// Three stages of which the first fails with 4. What the last one says ends
  /// in `c`.
  void run_three_stages(kind what) {
    runners.push_back(env().run<failing>("first"s, a, b, 4, what));
    runners.push_back(env().run<passing<int>>("second"s, b, c));
  }

  void send_all(int last) {
    auto out = a.open_publisher();
    send_numbers(out, 1, last);
    out.complete();
  }
};

INSTANTIATE_TEST_SUITE_P(, errors, any_place_at_all, place_name);

TEST_P(errors, come_after_the_values_before_them) {
  run_three_stages(kind::out_of_range);
  send_all(6);

  const auto found = read(c);

  EXPECT_THAT(found.values, ElementsAre(1, 2, 3));
  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->runnable(), "first");
  EXPECT_EQ(found.error->text(), "it was too far");
  EXPECT_EQ(found.error->type(), "std::out_of_range");
  EXPECT_THAT(std::string{found.error->activity()},
              AllOf(HasSubstr("on_value"), HasSubstr("4")));
  EXPECT_THAT(std::string{found.error->node()}, HasSubstr("/"));
  EXPECT_THROW(found.error->rethrow(), std::out_of_range);
}

TEST_P(errors, come_after_many_values) {
  auto big = env().make_buffer<int>("big", 4096);
  runners.push_back(
    env().run<failing>("first"s, big, b, 20'000, kind::out_of_range));
  runners.push_back(env().run<passing<int>>("second"s, b, c));
  runners.push_back(env().run<counting<int>>("source"s, big, 1, 30'000));

  const auto found = read(c);

  EXPECT_EQ(found.values, numbers(1, 19'999));
  EXPECT_EQ(to_string(found.end), "failed");
}

TEST_P(errors, are_thrown_once_by_join_of_the_runtime) {
  run_three_stages(kind::out_of_range);
  runners.push_back(env().run<sink>("third"s, c));
  send_all(6);

  EXPECT_EQ(thrown_text<std::out_of_range>([&] { join(rt()); }),
            "it was too far");
  EXPECT_NO_THROW(join(rt()));
  for (auto& x : runners) {
    EXPECT_NO_THROW(x.check_for_exceptions());
    ASSERT_TRUE(x.last_failure()) << x.name();
    EXPECT_EQ(x.last_failure()->runnable(), "first");
  }
}

TEST_P(errors, are_thrown_once_by_the_runner_where_the_stream_ends) {
  run_three_stages(kind::out_of_range);
  runners.push_back(env().run<sink>("third"s, c));
  send_all(6);
  for (auto& x : runners)
    join(x);

  EXPECT_THROW(runners[2].check_for_exceptions(), std::out_of_range);
  EXPECT_NO_THROW(runners[2].check_for_exceptions());
  EXPECT_NO_THROW(runners[0].check_for_exceptions());
  EXPECT_NO_THROW(runners[1].check_for_exceptions());
  EXPECT_NO_THROW(join(rt()));
}

TEST_P(errors, are_the_same_one_everywhere) {
  run_three_stages(kind::out_of_range);
  runners.push_back(env().run<sink>("third"s, c));
  send_all(6);
  for (auto& x : runners)
    join(x);

  const auto id = runners[0].last_failure()->id();
  EXPECT_EQ(runners[1].last_failure()->id(), id);
  EXPECT_EQ(runners[2].last_failure()->id(), id);
  EXPECT_THROW(join(rt()), std::out_of_range);
}

TEST_P(errors, of_a_known_type_keep_it) {
  run_three_stages(kind::known);
  send_all(6);

  EXPECT_EQ(thrown_text<known_error>([&] {
              auto in = c.subscribe();
              while (in.next())
                ;
            }),
            "all know");
}

TEST_P(errors, of_a_known_type_keep_what_is_in_them) {
  run_three_stages(kind::coded);
  send_all(6);

  try {
    read(c).error.value().rethrow();
  } catch (const coded_error& error) {
    EXPECT_EQ(error.code, 4711);
    ASSERT_TRUE(puma::current_failure());
    EXPECT_EQ(puma::current_failure()->runnable(), "first");
  }
}

TEST_P(errors, may_be_anything_that_can_be_thrown) {
  run_three_stages(kind::number);
  send_all(6);

  EXPECT_THROW(read(c).error.value().rethrow(), int);
}

TEST_P(errors, of_an_unknown_type_keep_their_text_and_its_name) {
  run_three_stages(kind::unknown);
  send_all(6);

  const auto found = read(c);

  ASSERT_TRUE(found.error);
  EXPECT_EQ(found.error->text(), "nobody knows");
  EXPECT_THAT(std::string{found.error->type()}, HasSubstr("unknown_error"));
  if (GetParam() == place::threads) {
    EXPECT_THROW(found.error->rethrow(), unknown_error);
    return;
  }
  try {
    found.error->rethrow();
  } catch (const puma::remote_error& error) {
    EXPECT_STREQ(error.what(), "nobody knows");
    EXPECT_THAT(error.type(), HasSubstr("unknown_error"));
  }
}

TEST_P(errors, are_taken_by_an_override_of_on_complete) {
  runners.push_back(env().run<failing>("first"s, a, b, 4, kind::out_of_range));
  runners.push_back(env().run<journalist>("journalist"s, b, said));
  send_all(6);

  EXPECT_THAT(read_all(said),
              ElementsAre("value 1", "value 2", "value 3",
                          "failed: std::out_of_range: it was too far: from "
                          "first"));
  for (auto& x : runners) {
    join(x);
    EXPECT_NO_THROW(x.check_for_exceptions());
  }
  EXPECT_NO_THROW(join(rt()));
}

TEST_P(errors, may_be_handled_by_a_hook) {
  runners.push_back(env().run<failing>("first"s, a, b, 4, kind::out_of_range));
  runners.push_back(env().run<forgiving>("forgiving"s, b, c));
  send_all(6);

  EXPECT_EQ(read_all(c), numbers(1, 3));
  EXPECT_NO_THROW(join(rt()));
}

TEST_P(errors, of_the_test_arrive_with_their_type) {
  runners.push_back(env().run<journalist>("journalist"s, a, said));
  {
    auto out = a.open_publisher();
    send(out, 1);
    out.fail(std::out_of_range{"said so"});
  }

  EXPECT_THAT(
    read_all(said),
    ElementsAre("value 1", "failed: std::out_of_range: said so: from "));
}

TEST_P(errors, leave_other_publishers_of_the_buffer_with_closed) {
  runners.push_back(env().run<passing<int>>("stage"s, a, b));
  auto failing_one = a.open_publisher();
  auto other = a.open_publisher();
  send(other, 1);
  EXPECT_EQ(read_one(b), 1);

  failing_one.fail(std::out_of_range{"over"});

  EXPECT_TRUE(eventually([&] {
    return other.publish_for(2, 10ms) == puma::publish_result::closed;
  }));
  EXPECT_EQ(to_string(read(b).end), "failed");
}

TEST_P(errors, of_a_constructor_are_thrown_by_wait_until_running) {
  auto x = env().run<failing_early>("early"s, true);

  EXPECT_EQ(thrown_text<std::domain_error>([&] { wait_for(x); }),
            "not constructed");
  EXPECT_NO_THROW(x.check_for_exceptions());
  EXPECT_FALSE(x.is_alive());
  EXPECT_NO_THROW(join(rt()));
}

TEST_P(errors, of_on_start_are_thrown_by_the_next_check) {
  auto x = env().run<failing_early>("early"s, false);
  join(x);

  EXPECT_EQ(thrown_text<std::domain_error>([&] { x.check_for_exceptions(); }),
            "not started");
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(errors, of_on_start_are_thrown_by_wait_until_running) {
  auto x = env().run<failing_early>("early"s, false);
  join(x);

  EXPECT_EQ(thrown_text<std::domain_error>([&] { x.wait_until_running(); }),
            "not started");
}

TEST_P(errors, of_a_constructor_end_the_streams_that_it_was_to_publish) {
  class unfinished : public puma::source_runnable {
   public:
    unfinished(std::string name, const puma::buffer<int>&)
      : source_runnable(std::move(name)) {
      throw std::domain_error{"not constructed"};
    }

   protected:
    bool on_demand() override { return false; }
  };
  runners.push_back(env().run<unfinished>("unfinished"s, a));

  const auto found = read(a);

  EXPECT_EQ(to_string(found.end), "failed");
  EXPECT_THROW(found.error.value().rethrow(), std::domain_error);
}

TEST_P(errors, of_on_complete_become_the_error) {
  runners.push_back(env().run<failing_at_the_end>("end"s, a));
  send_all(3);
  join(runners[0]);

  EXPECT_EQ(
    thrown_text<std::domain_error>([&] { runners[0].check_for_exceptions(); }),
    "bad end");
}

TEST_P(errors, of_on_complete_do_not_replace_the_first) {
  runners.push_back(env().run<failing>("first"s, a, b, 2, kind::out_of_range));
  runners.push_back(env().run<failing_at_the_end>("end"s, b));
  send_all(3);
  for (auto& x : runners)
    join(x);

  EXPECT_THROW(join(rt()), std::out_of_range);
  EXPECT_NO_THROW(join(rt()));
}

TEST_P(errors, stop_the_others_when_the_runtime_joins) {
  auto ids = env().make_buffer<int>("ids", 8);
  auto endless = env().make_buffer<int>("endless", 8);
  auto away = env().make_buffer<int>("away", 8);
  runners.push_back(env().run<telling_process>("idler"s, ids));
  runners.push_back(
    env().run<counting<int>>("source"s, endless, 1, 2'000'000'000));
  runners.push_back(env().run<sink>("sink"s, endless));
  runners.push_back(
    env().run<failing>("failing"s, a, away, 2, kind::out_of_range));
  runners.push_back(env().run<sink>("end"s, away));
  send_all(3);

  EXPECT_THROW(join(rt()), std::out_of_range);

  for (auto& x : runners)
    EXPECT_FALSE(x.is_alive()) << x.name();
}

} // namespace
