// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/functions_test.hpp"

#include "tests/processes/places.hpp"
#include "tests/processes/shared_stage.hpp"
#include "tests/processes/stages.hpp"

#include <functional>

using namespace puma_test;
using puma::usage_error;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace {

/// A type whose name the other file uses, too.
class namesake : public puma::single_buffer_servicing_runnable<int> {
 public:
  namesake(std::string name, const puma::buffer<int>& in,
           const puma::buffer<int>& out)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override { out_.publish(x + 1); }

 private:
  puma::publisher<int> out_;
};

/// A runnable that inherits its hook and its constructors.
class inheriting : public passing<int> {
 public:
  using passing<int>::passing;
};

/// A value with its type as a parameter of the runnable.
template <class T, int Offset>
class adding : public puma::single_buffer_servicing_runnable<T> {
 public:
  adding(std::string name, const puma::buffer<T>& in,
         const puma::buffer<T>& out)
    : puma::single_buffer_servicing_runnable<T>(std::move(name), in),
      out_(this->publish_to(out)) {}

 protected:
  void on_value(T& x) override { out_.publish(static_cast<T>(x + Offset)); }

 private:
  puma::publisher<T> out_;
};

int triple(int x) {
  return 3 * x;
}

class functions : public place_test {
 protected:
  puma::buffer<int> a = env().make_buffer<int>("a", 8);
  puma::buffer<int> b = env().make_buffer<int>("b", 8);
  puma::buffer<int> c = env().make_buffer<int>("c", 8);

  void send_three() {
    auto out = a.open_publisher();
    send_numbers(out, 1, 3);
    out.complete();
  }
};

INSTANTIATE_TEST_SUITE_P(, functions, any_place_at_all, place_name);

TEST_P(functions, generate_values) {
  auto x = env().run(puma::generate("source", a, []() -> std::optional<int> {
    static int next = 0;
    return ++next <= 100 ? std::optional{next} : std::nullopt;
  }));

  const auto found = read_all(a);

  // In threads, this test may have been run before.
  if (GetParam() != place::threads) {
    EXPECT_EQ(found, numbers(1, 100));
  }
}

TEST_P(functions, generate_values_with_a_state) {
  struct state {
    int next = 0;
    std::vector<int> done;
  };
  auto x = env().run(puma::generate(
    "source", a,
    puma::with_state(state{40, {1, 2}}, [](state& s) -> std::optional<int> {
      s.done.push_back(s.next);
      return s.done.size() < 6 ? std::optional{s.next++} : std::nullopt;
    })));

  EXPECT_EQ(read_all(a), numbers(40, 42));
}

TEST_P(functions, transform_values) {
  auto x = env().run(puma::transform("x", a, b, [](int y) { return 2 * y; }));
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(2, 4, 6));
}

TEST_P(functions, transform_values_to_another_type) {
  auto texts = env().make_buffer<std::string>("texts", 8);
  auto x = env().run(puma::transform(
    "x", a, texts,
    puma::with_state("number "s, [](const std::string& prefix, int y) {
      return prefix + std::to_string(y);
    })));
  send_three();

  EXPECT_THAT(read_all(texts), ElementsAre("number 1", "number 2", "number 3"));
}

TEST_P(functions, filter_values) {
  auto x = env().run(puma::filter("x", a, b, [](int y) { return y != 2; }));
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(1, 3));
}

TEST_P(functions, flat_map_values) {
  auto x = env().run(puma::flat_map("x", a, b, [](int y) {
    return std::vector<int>(static_cast<std::size_t>(y), y);
  }));
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(1, 2, 2, 3, 3, 3));
}

TEST_P(functions, flat_map_values_to_a_publisher) {
  auto x = env().run(
    puma::flat_map("x", a, b, [](int y, puma::publisher<int>& out) {
      for (int i = 0; i != 100; ++i)
        out.publish(y);
    }));
  send_three();

  EXPECT_EQ(read_all(b).size(), 300u);
}

TEST_P(functions, take_each_value) {
  auto x = env().run(puma::for_each("x", a, [](int y) {
    if (y == 3)
      throw std::out_of_range{"three"};
  }));
  send_three();

  EXPECT_EQ(thrown_text<std::out_of_range>([&] { join(rt()); }), "three");
}

TEST_P(functions, of_one_function_are_told_apart) {
  auto x = env().run(puma::transform("x", a, b, [](int y) { return y + 10; }));
  auto z = env().run(puma::transform("z", b, c, [](int y) { return y * 10; }));
  send_three();

  EXPECT_THAT(read_all(c), ElementsAre(110, 120, 130));
}

TEST_P(functions, of_two_files_are_told_apart) {
  auto x = env().run<namesake>("x"s, a, b);
  auto z = run_namesake_of_other_file(env(), b, c);
  send_three();

  EXPECT_THAT(read_all(c), ElementsAre(102, 103, 104));
}

TEST_P(functions, of_two_files_are_told_apart_when_they_are_lambdas) {
  auto x = env().run(puma::transform("x", a, b, [](int y) { return y + 1; }));
  auto z = run_lambda_of_other_file(env(), b, c);
  send_three();

  EXPECT_THAT(read_all(c), ElementsAre(102, 103, 104));
}

TEST_P(functions, that_return_nothing_new_may_be_function_objects) {
  auto x = env().run(puma::transform("x", a, b, std::negate<>{}));
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(-1, -2, -3));
}

TEST_P(functions, have_their_names) {
  auto x = env().run(puma::transform("doubler", a, b, [](int y) { return y; }));
  wait_for(x);

  EXPECT_EQ(x.name(), "runnable 'doubler'");
}

TEST_P(functions, run_dedicated) {
  auto x = env().run(puma::dedicated,
                     puma::transform("x", a, b, [](int y) { return 2 * y; }));
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(2, 4, 6));
}

// -- runnables ----------------------------------------------------------------

TEST_P(functions, and_types_that_inherit_everything) {
  auto x = env().run<inheriting>("x"s, a, b);
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(1, 2, 3));
}

TEST_P(functions, and_templates_are_told_apart) {
  auto x = env().run<adding<int, 1>>("x"s, a, b);
  auto z = env().run<adding<int, 100>>("z"s, b, c);
  send_three();

  EXPECT_THAT(read_all(c), ElementsAre(102, 103, 104));
}

TEST_P(functions, and_local_types_work) {
  class local : public passing<int> {
   public:
    using passing<int>::passing;

   protected:
    void on_value(int& x) override {
      x += 5;
      passing<int>::on_value(x);
    }
  };
  auto x = env().run<local>("x"s, a, b);
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(6, 7, 8));
}

TEST_P(functions, and_types_of_a_shared_library_work) {
  auto x = env().run<shared_stage>("x"s, a, b);
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(1001, 1002, 1003));
}

TEST_P(functions, and_calls_inside_of_a_shared_library_work) {
  auto x = run_in_shared_library(env(), a, b);
  auto z = run_lambda_in_shared_library(env(), b, c);
  send_three();

  EXPECT_THAT(read_all(c), ElementsAre(11001, 11002, 11003));
}

// -- what cannot cross --------------------------------------------------------

/// Takes a pointer.
class pointing : public puma::single_buffer_servicing_runnable<int> {
 public:
  pointing(const puma::buffer<int>& in, int* sum)
    : single_buffer_servicing_runnable("pointing", in),
      sum_(sum) {}

 protected:
  void on_value(int& x) override { *sum_ += x; }

 private:
  int* sum_;
};

class what_cannot_cross : public functions {};

INSTANTIATE_TEST_SUITE_P(, what_cannot_cross, any_place_at_all, place_name);

TEST_P(what_cannot_cross, such_as_a_capture_names_the_runnable_and_the_remedy) {
  int sum = 0;
  const auto start = [&] {
    return env().run(puma::for_each("adder", a, [&sum](int x) { sum += x; }));
  };
  if (GetParam() != place::threads) {
    EXPECT_THAT(thrown_text<usage_error>([&] { static_cast<void>(start()); }),
                AllOf(HasSubstr("'adder'"), HasSubstr("with_state"),
                      HasSubstr("thread_environment")));
    EXPECT_TRUE(workers().empty());
    return;
  }
  auto x = start();
  send_three();
  join(x);
  EXPECT_EQ(sum, 6);
}

TEST_P(what_cannot_cross, such_as_a_function_pointer_names_the_remedy) {
  const auto start = [&] {
    return env().run(puma::transform("tripler", a, b, &triple));
  };
  if (GetParam() != place::threads) {
    EXPECT_THAT(thrown_text<usage_error>([&] { static_cast<void>(start()); }),
                AllOf(HasSubstr("'tripler'"), HasSubstr("lambda")));
    return;
  }
  auto x = start();
  send_three();
  EXPECT_THAT(read_all(b), ElementsAre(3, 6, 9));
}

TEST_P(what_cannot_cross, such_as_a_state_with_a_pointer_names_it) {
  int sum = 0;
  const auto start = [&] {
    return env().run(puma::for_each(
      "adder", a, puma::with_state(&sum, [](int* to, int x) { *to += x; })));
  };
  if (GetParam() != place::threads) {
    EXPECT_THAT(thrown_text<usage_error>([&] { static_cast<void>(start()); }),
                AllOf(HasSubstr("'adder'"), HasSubstr("int*")));
    return;
  }
  auto x = start();
  send_three();
  join(x);
  EXPECT_EQ(sum, 6);
}

TEST_P(what_cannot_cross, such_as_a_pointer_names_type_and_argument) {
  int sum = 0;
  const auto start = [&] { return env().run<pointing>(a, &sum); };
  if (GetParam() != place::threads) {
    EXPECT_THAT(thrown_text<usage_error>([&] { static_cast<void>(start()); }),
                AllOf(HasSubstr("pointing"), HasSubstr("argument 2"),
                      HasSubstr("int*"), HasSubstr("pointer")));
    EXPECT_TRUE(workers().empty());
    return;
  }
  auto x = start();
  send_three();
  join(x);
  EXPECT_EQ(sum, 6);
}

TEST_P(what_cannot_cross, such_as_a_pointer_is_an_error_of_make_too) {
  if (GetParam() == place::threads)
    return;
  int sum = 0;

  EXPECT_THROW(static_cast<void>(env().make<pointing>(a, &sum)), usage_error);
}

TEST_P(what_cannot_cross,
       such_as_the_values_of_a_buffer_names_buffer_and_type) {
  auto shared = env().make_buffer<std::shared_ptr<int>>("shared", 8);
  const auto start = [&] {
    return env().run<passing_shared>("stage"s, shared);
  };
  if (GetParam() != place::threads) {
    EXPECT_THAT(thrown_text<usage_error>([&] { static_cast<void>(start()); }),
                AllOf(HasSubstr("'shared'"), HasSubstr("shared_ptr")));
    return;
  }
  auto x = start();
  auto out = shared.open_publisher();
  const auto value = std::make_shared<int>(0);
  out.publish(value);
  out.complete();
  join(x);
  EXPECT_EQ(*value, 1);
}

TEST_P(what_cannot_cross, leaves_the_streams_as_they_were) {
  int sum = 0;
  if (GetParam() == place::threads)
    return;
  EXPECT_THROW(static_cast<void>(env().run<pointing>(a, &sum)), usage_error);

  auto x = env().run<passing<int>>("x"s, a, b);
  send_three();

  EXPECT_THAT(read_all(b), ElementsAre(1, 2, 3));
}

} // namespace
