// SPDX-License-Identifier: Apache-2.0

#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/buffers/subscriber.hpp"
#include "tests/support/buffer_steps.hpp"

#include <span>
#include <vector>

using namespace puma_test;
using puma::buffer;
using puma::publish_result;
using puma::receive_status;
using ::testing::ElementsAre;

namespace {

template <class T>
class call_events : public no_instance_left {
 protected:
  buffer<T> b{"items", 100};
  puma::publisher<T> out = b.open_publisher();
  puma::subscription<T> in = b.subscribe();

  void TearDown() override {
    out = {};
    in = {};
    b = {};
    no_instance_left::TearDown();
  }
};

TYPED_TEST_SUITE(call_events, item_types);

TYPED_TEST(call_events, hands_over_exactly_one) {
  publish_numbers(this->out, 1, 2);
  std::vector<int> seen;

  const auto status = this->in.call_events(
    [&](auto& x) { seen.push_back(number_of(x)); },
    [](const puma::failure*) { FAIL(); });

  EXPECT_EQ(status, receive_status::value);
  EXPECT_THAT(seen, ElementsAre(1));
  EXPECT_EQ(this->b.stats().waiting, 1u);
}

TYPED_TEST(call_events, calls_nothing_when_there_is_none) {
  const auto status = this->in.call_events(
    [](auto&) { FAIL(); }, [](const puma::failure*) { FAIL(); });

  EXPECT_EQ(status, receive_status::empty);
}

TYPED_TEST(call_events, counts_a_value_as_taken_when_the_hook_throws) {
  publish_numbers(this->out, 1, 2);
  const auto hook = [](auto&) { throw sensor_broken{1}; };

  EXPECT_THROW(this->in.call_events(hook, [](const puma::failure*) {}),
               sensor_broken);

  EXPECT_THAT(take_all(this->in), ElementsAre(2));
  expect_balanced(this->b.stats());
}

TYPED_TEST(call_events, frees_the_place_when_the_hook_returns) {
  buffer<TypeParam> small{"small", 1};
  auto to = small.open_publisher();
  auto from = small.subscribe();
  publish_numbers(to, 1, 1);
  auto inside = publish_result::accepted;

  from.call_events([&](auto&) { inside = to.try_publish(item<TypeParam>(2)); },
                   [](const puma::failure*) {});

  EXPECT_EQ(inside, publish_result::full);
  EXPECT_EQ(to.try_publish(item<TypeParam>(2)), publish_result::accepted);
}

// -- subscribers that are polled ----------------------------------------------

struct collector : puma::subscriber<int> {
  std::vector<int> values;
  int ends = 0;

  void on_value(int& x) override { values.push_back(x); }

  void on_complete(const puma::failure*) override { ++ends; }
};

struct batch_collector : puma::subscriber<int> {
  std::vector<std::size_t> sizes;

  void on_values(std::span<int> x) override { sizes.push_back(x.size()); }
};

TEST(a_polled_subscriber, gets_a_value_per_call_and_then_the_end) {
  buffer<int> b{"items", 2};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 2);
  out.complete();
  collector to;

  EXPECT_EQ(in.call_events(to), receive_status::value);
  EXPECT_EQ(in.call_events(to), receive_status::value);
  EXPECT_EQ(to.ends, 0);
  EXPECT_EQ(in.call_events(to), receive_status::completed);

  EXPECT_THAT(to.values, ElementsAre(1, 2));
  EXPECT_EQ(to.ends, 1);
}

TEST(a_polled_subscriber, may_leave_out_on_complete) {
  buffer<int> b{"items", 2};
  b.open_publisher().complete();
  auto in = b.subscribe();
  batch_collector to;

  EXPECT_EQ(in.call_events(to), receive_status::completed);
}

TEST(a_polled_subscriber, that_takes_batches_gets_each_value_as_one) {
  buffer<int> b{"items", 2};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 2);
  batch_collector to;

  EXPECT_EQ(in.call_events(to), receive_status::value);
  EXPECT_EQ(in.call_events(to), receive_status::value);

  EXPECT_THAT(to.sizes, ElementsAre(1u, 1u));
}

TEST(a_polled_subscriber, without_a_hook_for_values_is_an_error) {
  buffer<int> b{"items", 1};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 1);
  puma::subscriber<int> to;

  EXPECT_THROW(in.call_events(to), puma::usage_error);
}

} // namespace
