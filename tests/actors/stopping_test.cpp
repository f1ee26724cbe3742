// SPDX-License-Identifier: Apache-2.0

#include "puma/puma.hpp"
#include "tests/support/environments.hpp"

#include <memory>
#include <utility>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::publish_result;

namespace {

/// Publishes each number twice, through two publishers on one buffer.
class double_source final : public puma::source_runnable {
 public:
  double_source(const puma::buffer<int>& out, int count)
    : source_runnable("double"),
      first_(publish_to(out)),
      second_(publish_to(out)),
      count_(count) {}

 protected:
  bool on_demand() override {
    first_.publish(next_);
    second_.publish(next_);
    return ++next_ < count_;
  }

 private:
  puma::publisher<int> first_;
  puma::publisher<int> second_;
  int count_;
  int next_ = 0;
};

/// Stops itself before it gets anything.
class early_stopper final : public puma::single_buffer_servicing_runnable<int> {
 public:
  early_stopper(const puma::buffer<int>& in, std::shared_ptr<int> handled)
    : single_buffer_servicing_runnable("early", in),
      handled_(std::move(handled)) {}

 protected:
  void on_start() override { stop(); }

  void on_value(int&) override { ++*handled_; }

 private:
  std::shared_ptr<int> handled_;
};

/// Publishes through a publisher that a plain thread has opened.
class borrower final : public puma::source_runnable {
 public:
  explicit borrower(std::shared_ptr<puma::publisher<int>> out)
    : source_runnable("borrower"),
      out_(std::move(out)) {}

 protected:
  bool on_demand() override {
    out_->publish(1);
    return true;
  }

 private:
  std::shared_ptr<puma::publisher<int>> out_;
};

/// Notes what `publish_for` returns in a hook.
class impatient final : public puma::single_buffer_servicing_runnable<int> {
 public:
  impatient(const puma::buffer<int>& in, const puma::buffer<int>& out,
            puma::when_full policy,
            std::shared_ptr<std::vector<publish_result>> seen)
    : single_buffer_servicing_runnable("impatient", in),
      out_(publish_to(out, {.when_full = policy})),
      seen_(std::move(seen)) {}

 protected:
  void on_value(int& x) override {
    for (int i = 0; i != 3; ++i)
      seen_->push_back(out_.publish_for(x, 1h));
  }

 private:
  puma::publisher<int> out_;
  std::shared_ptr<std::vector<publish_result>> seen_;
};

class stopping : public environment_test {
 protected:
  puma::buffer<int> in = env().make_buffer<int>("in", 4);
};

INSTANTIATE_TEST_SUITE_P(, stopping, no_hosting, without_hosting);

TEST_P(stopping, in_on_start_leaves_all_values_in_the_buffer) {
  const auto handled = std::make_shared<int>(0);
  auto out = in.open_publisher();
  out.publish(1);
  out.publish(2);

  auto x = env().run<early_stopper>(in, handled);
  x.join();

  EXPECT_EQ(*handled, 0);
  EXPECT_EQ(in.stats().waiting, 2u);
}

TEST_P(stopping, reaches_a_wait_in_a_publisher_of_another_owner) {
  auto x = env().run<borrower>(
    puma::dedicated,
    std::make_shared<puma::publisher<int>>(in.open_publisher()));
  ASSERT_TRUE(eventually([&] { return in.stats().waiting == 4; }));

  x.stop();

  EXPECT_TRUE(x.join_for(30s));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

TEST_P(stopping, a_source_with_two_publishers_on_one_small_buffer_is_possible) {
  const auto small = env().make_buffer<int>("small", 1);
  const auto sum = env().make_value<int>("sum");

  auto x = env().run<double_source>(small, 100);
  auto y = env().run(
    puma::for_each("add", small, [sum](int n) { sum.add(n); }));

  rt().join();
  EXPECT_EQ(sum.get(), 2 * 4950);
}

TEST_P(stopping, publish_for_returns_a_status_whatever_the_policy) {
  const auto seen = std::make_shared<std::vector<publish_result>>();
  const auto tight = env().make_buffer<int>("tight", 1);
  auto out = in.open_publisher();
  out.publish(7);

  auto x = env().run<impatient>(in, tight, puma::when_full::fail, seen);
  ASSERT_TRUE(eventually([&] { return in.stats().taken == 1; }));
  x.stop();
  x.join();

  EXPECT_THAT(*seen, ::testing::ElementsAre(publish_result::accepted,
                                            publish_result::full,
                                            publish_result::full));
  EXPECT_NO_THROW(x.check_for_exceptions());
}

} // namespace
