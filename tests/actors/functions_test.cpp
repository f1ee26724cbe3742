// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/functions.hpp"

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace puma_test;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

using boxed = std::unique_ptr<int>;
using box_buffer = puma::buffer<boxed>;

class a_function : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 16);
  int_buffer out = env().make_buffer<int>("out", 16);
  box_buffer boxes = env().make_buffer<boxed>("boxes", 16);
  numbers seen;
};

INSTANTIATE_TEST_SUITE_P(, a_function, any_hosting, with_hosting);

TEST_P(a_function, generates_until_it_returns_nothing) {
  auto x = run(puma::generate("count", out, [n = 0]() mutable {
    return n == 3 ? std::nullopt : std::optional{++n};
  }));

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2, 3));
}

TEST_P(a_function, that_generates_an_error_fails_the_output) {
  auto x = run(puma::generate("count", out, [n = 0]() mutable {
    if (n == 2)
      throw sensor_broken{2};
    return std::optional{++n};
  }));

  auto end = out.subscribe();
  EXPECT_EQ(end.next(), 1);
  EXPECT_EQ(end.next(), 2);
  EXPECT_THROW(static_cast<void>(end.next()), sensor_broken);
}

TEST_P(a_function, transforms_each_value) {
  auto texts = env().make_buffer<std::string>("texts", 4);
  auto x = run(puma::transform("to text", in, texts,
                               [](int n) { return std::to_string(n); }));

  stream_all(in, 1, 3);

  EXPECT_THAT(rest_of(texts), ElementsAre("1", "2", "3"));
}

TEST_P(a_function, keeps_its_state) {
  auto x = run(puma::transform("sum", in, out,
                               [sum = 0](int n) mutable { return sum += n; }));

  stream_all(in, 1, 4);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 3, 6, 10));
}

TEST_P(a_function, filters_values) {
  auto x = run(
    puma::filter("even", in, out, [](const int& n) { return n % 2 == 0; }));

  stream_all(in, 1, 6);

  EXPECT_THAT(rest_of(out), ElementsAre(2, 4, 6));
}

TEST_P(a_function, maps_a_value_to_a_range) {
  auto x = run(puma::flat_map("repeat", in, out, [](int n) {
    return std::vector<int>(static_cast<std::size_t>(n), n);
  }));

  stream_all(in, 0, 3);

  EXPECT_THAT(rest_of(out), ElementsAre(1, 2, 2, 3, 3, 3));
}

TEST_P(a_function, maps_a_value_to_what_it_publishes) {
  auto x = run(
    puma::flat_map("split", in, out, [](int n, puma::publisher<int>& to) {
      to.publish(n);
      if (n != 2)
        to.publish(-n);
    }));

  stream_all(in, 1, 3);

  EXPECT_THAT(rest_of(out), ElementsAre(1, -1, 2, 3, -3));
}

TEST_P(a_function, maps_a_value_to_more_than_the_buffer_holds) {
  constexpr int many = 500;
  auto small = env().make_buffer<int>("small", 1);
  auto x = run(puma::flat_map("many", in, small, [](int n) {
    return n == 1 ? numbers_to(many) : std::vector<int>{-1};
  }));

  auto sink = env().run(
    puma::for_each("sink", small, [&](int n) { seen.add(n); }));

  stream_all(in, 1, 2);
  sink.join();

  auto expected = numbers_to(many);
  expected.push_back(-1);
  EXPECT_EQ(seen.entries(), expected);
}

TEST_P(a_function, consumes_each_value) {
  auto x = run(puma::for_each("keep", in, [&](int n) { seen.add(n); }));

  stream_all(in, 1, 3);
  x.join();

  EXPECT_THAT(seen.entries(), ElementsAre(1, 2, 3));
}

TEST_P(a_function, has_its_name) {
  auto x = run(puma::for_each("keep", in, [](int) {}));
  x.wait_until_running();

  EXPECT_THAT(x.name(), ::testing::HasSubstr("'keep'"));
}

TEST_P(a_function, may_move_values_that_cannot_be_copied) {
  auto odd = env().make_buffer<boxed>("odd", 16);
  auto doubled = env().make_buffer<boxed>("doubled", 16);
  auto made = run(puma::generate("make", boxes, [n = 0]() mutable {
    return n == 4 ? std::optional<boxed>{}
                  : std::optional{std::make_unique<int>(++n)};
  }));
  auto filtered = run(puma::filter("odd", boxes, odd,
                                   [](const boxed& x) { return *x % 2 == 1; }));
  auto transformed = run(puma::transform("double", odd, doubled, [](boxed x) {
    *x *= 2;
    return x;
  }));
  auto consumed = run(
    puma::for_each("keep", doubled, [&](boxed x) { seen.add(*x); }));

  rt().join();

  EXPECT_THAT(seen.entries(), ElementsAre(2, 6));
}

TEST_P(a_function, may_be_one_that_cannot_be_copied) {
  auto x = run(
    puma::transform("add", in, out, [by = std::make_unique<int>(10)](int n) {
      return n + *by;
    }));

  stream_all(in, 1, 2);

  EXPECT_THAT(rest_of(out), ElementsAre(11, 12));
}

} // namespace
