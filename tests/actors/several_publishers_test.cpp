// SPDX-License-Identifier: Apache-2.0

#include "tests/support/buffer_steps.hpp"
#include "tests/support/environments.hpp"
#include "tests/support/stages.hpp"

#include <algorithm>
#include <optional>
#include <vector>

using namespace puma_test;
using puma::publish_result;
using puma::receive_status;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

/// Fails to be constructed.
class stillborn : public puma::source_runnable {
 public:
  explicit stillborn(const int_buffer&) : source_runnable("stillborn") {
    throw sensor_broken{1};
  }

 protected:
  bool on_demand() override { return false; }
};

/// Publishes one value per input value, through a publisher that it opens with
/// the first one.
class late_opener : public puma::single_buffer_servicing_runnable<int> {
 public:
  late_opener(const int_buffer& in, const int_buffer& out)
    : single_buffer_servicing_runnable("late opener", in),
      target_(out) {}

 protected:
  void on_value(int& x) override {
    if (!out_)
      out_ = publish_to(target_);
    last_status_ = out_->publish(x);
  }

 private:
  int_buffer target_;
  std::optional<puma::publisher<int>> out_;
  publish_result last_status_ = publish_result::accepted;
};

class several_publishers : public environment_test {
 protected:
  int_buffer in = env().make_buffer<int>("in", 8);
  int_buffer out = env().make_buffer<int>("out", 8);
};

INSTANTIATE_TEST_SUITE_P(, several_publishers, any_hosting, with_hosting);

TEST_P(several_publishers, end_the_stream_together) {
  auto keep_open = out.open_publisher(); // until all have been started
  std::vector<puma::runner> sources;
  for (const int last : {1, 10, 100})
    sources.push_back(run<counting_source>("source", std::vector{out}, last));
  keep_open.close();

  numbers seen;
  auto sink = env().run(
    puma::for_each("sink", out, [&](int n) { seen.add(n); }));
  sink.join();

  auto all = seen.entries();
  std::sort(all.begin(), all.end());
  auto expected = numbers_to(100);
  for (const int last : {1, 10})
    for (const int x : numbers_to(last))
      expected.push_back(x);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(all, expected);
}

TEST_P(several_publishers, do_not_end_the_stream_of_one_in_a_plain_thread) {
  auto mine = out.open_publisher();
  auto x = run<counting_source>("source", std::vector{out}, 1);
  x.join();
  auto end = out.subscribe();
  ASSERT_EQ(end.next(), 1);

  EXPECT_EQ(end.try_next().status(), receive_status::empty);
  EXPECT_EQ(mine.publish(2), publish_result::accepted);
  mine.complete();

  EXPECT_EQ(end.next(), 2);
  EXPECT_EQ(end.next(), std::nullopt);
}

TEST_P(several_publishers, do_not_wait_for_one_that_is_never_started) {
  auto x = run<counting_source>("source", std::vector{out}, 1);
  {
    auto prepared = make<counting_source>("prepared", std::vector{out}, 2);
    x.join();
  }

  EXPECT_THAT(rest_of(out), ElementsAre(1));
}

TEST_P(several_publishers, are_told_of_the_error_of_one) {
  auto healthy = run<counting_source>("healthy", std::vector{out});
  auto failing = run<counting_source>("failing", std::vector{out}, std::nullopt,
                                      [](int) { throw sensor_broken{1}; });

  EXPECT_THROW(rest_of(out), sensor_broken);
  healthy.join();

  EXPECT_NO_THROW(healthy.check_for_exceptions());
}

TEST_P(several_publishers, of_which_the_only_one_is_stillborn_fail_the_stream) {
  auto x = run<stillborn>(out);

  EXPECT_THROW(rest_of(out), sensor_broken);
}

TEST_P(several_publishers, of_which_one_opens_later_do_not_end_without_it) {
  auto x = run<late_opener>(in, out);
  x.wait_until_running();
  auto end = out.subscribe();
  ASSERT_EQ(end.try_next().status(), receive_status::empty);

  stream_all(in, 1, 2);

  EXPECT_EQ(end.next(), 1);
  EXPECT_EQ(end.next(), 2);
  EXPECT_EQ(end.next(), std::nullopt);
}

TEST_P(several_publishers, of_which_one_opens_too_late_find_the_stream_ended) {
  auto late = run<late_opener>(in, out);
  late.wait_until_running();
  auto x = run<counting_source>("source", std::vector{out}, 1);
  x.join();

  stream_all(in, 5, 6);
  late.join();

  EXPECT_THAT(rest_of(out), ElementsAre(1));
  EXPECT_EQ(out.stats().after_end, 2u);
  EXPECT_NO_THROW(late.check_for_exceptions());
}

} // namespace
