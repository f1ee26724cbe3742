// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/buffer.hpp"
#include "tests/support/buffer_steps.hpp"

#include <string>
#include <type_traits>
#include <utility>

using namespace puma_test;
using puma::buffer;
using puma::overflow;
using puma::publish_result;
using ::testing::ElementsAre;

namespace {

/// Runs every way of a value through a buffer with items whose instances are
/// counted.
template <class T>
class storage : public no_instance_left {};

struct item_names {
  template <class T>
  static std::string GetName(int) {
    if (std::is_same_v<T, over_aligned>)
      return "over_aligned";
    return std::is_same_v<T, big_item> ? "big" : "tracked";
  }
};

using tracked_types = ::testing::Types<tracked, over_aligned, big_item>;
TYPED_TEST_SUITE(storage, tracked_types, item_names);

template <class T>
bool intact(const T& x) {
  if constexpr (requires { x.intact(); })
    return x.intact();
  else
    return x.number() >= 0;
}

TYPED_TEST(storage, hands_values_over_intact) {
  buffer<TypeParam> b{"items", 100};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 100);

  for (int i = 1; i <= 100; ++i) {
    auto x = in.next();
    ASSERT_TRUE(x);
    EXPECT_EQ(number_of(*x), i);
    EXPECT_TRUE(intact(*x));
  }
}

TYPED_TEST(storage, shows_values_intact_to_hooks) {
  buffer<TypeParam> b{"items", 40};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 40);
  int seen = 0;

  const auto hook = [&](TypeParam& x) { seen += intact(x) ? 1 : 0; };
  while (in.call_events(hook, [](const puma::failure*) {})
         == puma::receive_status::value)
    continue;

  EXPECT_EQ(seen, 40);
}

TYPED_TEST(storage, lets_a_hook_move_the_value_out) {
  buffer<TypeParam> b{"items", 2};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 2);
  std::vector<TypeParam> kept;

  in.call_events([&](TypeParam& x) { kept.push_back(std::move(x)); },
                 [](const puma::failure*) {});

  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(number_of(kept[0]), 1);
  EXPECT_EQ(TypeParam::alive(), 2);
}

TYPED_TEST(storage, destroys_a_value_as_soon_as_it_was_received) {
  buffer<TypeParam> b{"items", 4};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 4);

  take(in, 1);

  EXPECT_EQ(TypeParam::alive(), 3);
}

TYPED_TEST(storage, destroys_what_is_left_with_the_buffer) {
  buffer<TypeParam> b{"items", 40};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 40);
  take(in, 10);
  ASSERT_EQ(TypeParam::alive(), 30);

  in = {};
  out = {};
  b = {};

  EXPECT_EQ(TypeParam::alive(), 0);
}

TYPED_TEST(storage, destroys_dropped_values_at_once) {
  for (const auto policy :
       {overflow::drop_oldest, overflow::latest, overflow::drop_newest}) {
    buffer<TypeParam> b{"items", 3, {.overflow = policy}};
    auto out = b.open_publisher();

    for (int i = 0; i != 20; ++i)
      out.publish(TypeParam{i});

    EXPECT_EQ(TypeParam::alive(), policy == overflow::latest ? 1 : 3);
    expect_balanced(b.stats());
  }
}

TYPED_TEST(storage, drops_the_oldest_from_a_half_received_chunk) {
  buffer<TypeParam> b{"items", 10, {.overflow = overflow::drop_oldest}};
  auto out = b.open_publisher();
  auto in = b.subscribe();
  publish_numbers(out, 1, 10);
  take(in, 4);

  publish_numbers(out, 11, 18);

  EXPECT_EQ(take_all(in).front(), 9);
  expect_balanced(b.stats());
}

TYPED_TEST(storage, moves_nothing_out_of_a_value_that_is_refused) {
  buffer<TypeParam> b{"items", 1};
  auto out = b.open_publisher();
  publish_numbers(out, 1, 1);
  TypeParam value{2};

  EXPECT_EQ(out.try_publish(std::move(value)), publish_result::full);

  EXPECT_EQ(number_of(value), 2);
  EXPECT_TRUE(intact(value));
}

TYPED_TEST(storage, survives_many_subscriptions_in_mid_stream) {
  buffer<TypeParam> b{"items", 50};
  auto out = b.open_publisher();
  int sent = 0;
  int expected = 0;
  for (int round = 0; round != 40; ++round) {
    for (int i = 0; i != round % 7; ++i)
      ASSERT_EQ(out.publish(TypeParam{sent++}), publish_result::accepted);
    auto in = b.subscribe();
    for (const auto x : take(in, round % 6))
      ASSERT_EQ(x, expected++);
  }

  EXPECT_EQ(TypeParam::alive(), sent - expected);
  EXPECT_EQ(b.stats().waiting, static_cast<std::uint64_t>(sent - expected));
  expect_balanced(b.stats());
}

TYPED_TEST(storage, keeps_values_through_a_failure) {
  buffer<TypeParam> b{"items", 5};
  auto out = b.open_publisher();
  auto other = b.open_publisher();
  publish_numbers(out, 1, 3);
  out.fail(sensor_broken{1});
  EXPECT_EQ(other.publish(TypeParam{4}), publish_result::closed);

  auto in = b.subscribe();

  EXPECT_THAT(take(in, 2), ElementsAre(1, 2));
  EXPECT_EQ(TypeParam::alive(), 1);
}

} // namespace
