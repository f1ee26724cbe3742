// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/source_runnable.hpp"
#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <atomic>
#include <optional>
#include <vector>

using namespace puma_test;
using ::testing::IsEmpty;

namespace {

class a_source : public environment_test {
 protected:
  int_buffer out = env().make_buffer<int>("out", 3);
  int_buffer other = env().make_buffer<int>("other", 3);
};

INSTANTIATE_TEST_SUITE_P(, a_source, any_hosting, with_hosting);

TEST_P(a_source, is_asked_until_it_returns_false) {
  auto sum = env().make_value<int>("sum");
  auto x = run<counting_source>("source", std::vector{out}, 200);
  auto sink = env().run(
    puma::for_each("sum", out, [=](int n) mutable { sum.add(n); }));

  rt().join();

  EXPECT_EQ(sum.get(), 20'100);
  EXPECT_FALSE(x.is_alive());
}

TEST_P(a_source, is_not_asked_when_it_has_been_stopped) {
  auto consumed = env().make_value<int>("consumed");
  auto x = run<counting_source>("source", std::vector{out});
  auto sink = env().run(
    puma::for_each("sum", out, [=](int) mutable { consumed.add(1); }));
  auto stopper = env().run<stage>("stopper", other, std::vector<int_buffer>{},
                                  script{.on_value = [&](stage& self, int&) {
                                    x.stop();
                                    self.stop();
                                  }});
  publish_all(other, 1, 1);

  x.join();
  sink.join();

  EXPECT_EQ(static_cast<std::uint64_t>(consumed.get()), out.stats().accepted);
}

TEST_P(a_source, ends_itself_with_stop) {
  class once : public puma::source_runnable {
   public:
    explicit once(const int_buffer& to)
      : source_runnable("once"),
        out_(publish_to(to)) {}

   protected:
    bool on_demand() override {
      out_.publish(1);
      stop();
      return true;
    }

   private:
    puma::publisher<int> out_;
  };

  auto x = run<once>(out);

  EXPECT_EQ(rest_of(out), numbers_to(1));
}

TEST_P(a_source, fails_its_outputs_with_its_error) {
  auto x = run<counting_source>("source", std::vector{out, other}, std::nullopt,
                                [](int n) {
                                  if (n == 2)
                                    throw sensor_broken{n};
                                });

  EXPECT_THROW(rest_of(out), sensor_broken);
  EXPECT_THROW(rest_of(other), sensor_broken);
}

} // namespace

namespace {

/// Sources whose outputs have all been closed by others.
class a_closed_source : public environment_test {
 protected:
  int_buffer out = env().make_buffer<int>("out", 3);
  int_buffer other = env().make_buffer<int>("other", 3);
};

INSTANTIATE_TEST_SUITE_P(, a_closed_source, no_hosting, without_hosting);

TEST_P(a_closed_source, ends) {
  auto x = env().run<counting_source>("source", std::vector{out, other});
  ASSERT_TRUE(eventually([&] { return out.stats().waiting == 3; }));

  out.open_publisher().fail(sensor_broken{1});
  other.open_publisher().fail(sensor_broken{1});
  x.join();

  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(a_closed_source, goes_on_while_one_output_is_open) {
  auto x = env().run<counting_source>("source", std::vector{out, other}, 20);
  ASSERT_TRUE(eventually([&] { return out.stats().waiting == 3; }));

  out.open_publisher().fail(sensor_broken{1});

  EXPECT_EQ(rest_of(other), numbers_to(20));
}

} // namespace
