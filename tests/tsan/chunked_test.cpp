// SPDX-License-Identifier: Apache-2.0

// What a pooled runnable's publisher does within one hook, step by step.

#include "puma/base/error.hpp"
#include "tests/support/items.hpp"
#include "tests/support/stats.hpp"
#include "tests/tsan/fake_host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

using namespace puma_test;
using puma::publish_result;
using puma::receive_status;
using puma::internal::inlet;
using puma::internal::no_wait;
using puma::internal::outlet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

namespace {

/// A host with one output, whose hooks run on the test's thread.
class chunked : public ::testing::Test {
 protected:
  void open(std::size_t capacity, puma::publish_options options = {},
            puma::buffer_options of_buffer = {}) {
    to = make_queue<tracked>(capacity, of_buffer);
    other = std::make_unique<outlet>(to, nullptr, puma::publish_options{});
    in = std::make_unique<inlet>(to, nullptr);
    host = std::make_unique<fake_host>();
    host->receive<int>(triggers, [this](int&) { hook(); });
    out = &host->publish_to(to, options);
  }

  /// Runs `what` as a hook of the host.
  void run_hook(std::function<void()> what) {
    hook = std::move(what);
    outlet trigger{triggers, nullptr, {}};
    publish(trigger, 0);
    host->run_here();
  }

  publish_result publish_from_outside(int value) const {
    tracked x{value};
    return other->try_publish(&x);
  }

  std::vector<int> take_all() const {
    std::vector<int> result;
    while (auto x = next<tracked>(*in, no_wait))
      result.push_back(x->number());
    return result;
  }

  void TearDown() override {
    if (to)
      expect_balanced(to->stats());
    host.reset();
    in.reset();
    other.reset();
    to.reset();
    EXPECT_EQ(tracked::alive(), 0);
    EXPECT_EQ(tracked::violations(), 0);
  }

  const queue_ptr triggers = make_queue<int>(100);
  queue_ptr to;
  std::unique_ptr<outlet> other; // of a plain thread
  std::unique_ptr<inlet> in;
  std::unique_ptr<fake_host> host;
  outlet* out = nullptr; // of the host
  std::function<void()> hook;
};

TEST_F(chunked, values_are_visible_once_the_hook_has_returned) {
  open(8);
  std::vector<int> during;

  run_hook([&] {
    publish(*out, tracked{1});
    publish(*out, tracked{2});
    during = take_all();
  });

  EXPECT_THAT(during, IsEmpty());
  EXPECT_THAT(take_all(), ElementsAre(1, 2));
}

TEST_F(chunked, values_are_visible_at_once_after_flush) {
  open(8);
  std::vector<int> during;

  run_hook([&] {
    publish(*out, tracked{1});
    out->flush(host->pending_wakes());
    during = take_all();
  });

  EXPECT_THAT(during, ElementsAre(1));
}

TEST_F(chunked, room_counts_as_taken_only_as_long_as_the_hook_runs) {
  open(4);
  auto during = publish_result::accepted;

  run_hook([&] {
    publish(*out, tracked{1});
    during = publish_from_outside(2);
  });

  EXPECT_EQ(during, publish_result::full);
  EXPECT_EQ(publish_from_outside(2), publish_result::accepted);
  EXPECT_THAT(take_all(), ElementsAre(1, 2));
}

TEST_F(chunked, values_without_room_wait_in_the_outbox_in_order) {
  open(2);

  run_hook([&] {
    for (int i = 1; i <= 5; ++i)
      EXPECT_EQ(publish(*out, tracked{i}), publish_result::accepted);
  });
  const auto first = take_all();
  const bool woken = host->woken();
  host->run_here();
  const auto second = take_all();
  host->run_here();

  EXPECT_TRUE(woken);
  EXPECT_THAT(first, ElementsAre(1, 2));
  EXPECT_THAT(second, ElementsAre(3, 4));
  EXPECT_THAT(take_all(), ElementsAre(5));
}

TEST_F(chunked, a_waiting_outbox_holds_further_values_of_the_input_back) {
  open(1);
  run_hook([&] {
    publish(*out, tracked{1});
    publish(*out, tracked{2});
  });
  bool ran = false;

  run_hook([&] { ran = true; });
  EXPECT_FALSE(ran);

  take_all();
  host->run_here();
  EXPECT_TRUE(ran);
}

TEST_F(chunked, values_beyond_the_outbox_are_refused_and_left_alone) {
  open(1, {.outbox = 2});
  tracked last{4};
  bool thrown = false;

  run_hook([&] {
    for (int i = 1; i <= 3; ++i)
      publish(*out, tracked{i});
    try {
      out->publish(&last, puma::internal::no_deadline);
    } catch (const puma::buffer_full&) {
      thrown = true;
    }
  });

  EXPECT_TRUE(thrown);
  EXPECT_EQ(last.number(), 4);
  EXPECT_EQ(to->stats().refused, 1u);
}

TEST_F(chunked, the_outbox_goes_beyond_the_capacity_at_the_end) {
  open(1);
  run_hook([&] {
    for (int i = 1; i <= 3; ++i)
      publish(*out, tracked{i});
    host->stop(fake_host::ending::complete);
  });

  EXPECT_THAT(take_all(), ElementsAre(1, 2, 3));
  other.reset();
  EXPECT_EQ(in->refill(false), receive_status::completed);
}

TEST_F(chunked, try_publish_refuses_when_full_and_leaves_the_value) {
  open(1);
  tracked second{2};
  auto status = publish_result::accepted;

  run_hook([&] {
    publish(*out, tracked{1});
    status = out->try_publish(&second);
  });

  EXPECT_EQ(status, publish_result::full);
  EXPECT_EQ(second.number(), 2);
}

TEST_F(chunked, drop_newest_drops_what_has_no_room_and_counts_it) {
  open(2, {.when_full = puma::when_full::drop_newest});

  run_hook([&] {
    for (int i = 1; i <= 5; ++i)
      publish(*out, tracked{i});
  });

  EXPECT_EQ(to->stats().dropped_newest, 3u);
  EXPECT_THAT(take_all(), ElementsAre(1, 2));
}

TEST_F(chunked, values_behind_an_error_are_counted_as_left_over) {
  open(8);

  run_hook([&] {
    publish(*out, tracked{1});
    publish(*out, tracked{2});
    puma::internal::wake_list wakes;
    other->fail(puma::failure{std::make_exception_ptr(1)}, wakes);
  });

  EXPECT_EQ(to->stats().left_over, 2u);
  EXPECT_EQ(to->stats().waiting, 0u);
  EXPECT_EQ(in->refill(false), receive_status::failed);
}

TEST_F(chunked, an_outbox_behind_an_error_is_counted_as_left_over) {
  open(1);
  run_hook([&] {
    for (int i = 1; i <= 3; ++i)
      publish(*out, tracked{i});
  });

  puma::internal::wake_list wakes;
  other->fail(puma::failure{std::make_exception_ptr(1)}, wakes);
  host->run_here();

  EXPECT_EQ(to->stats().left_over, 2u);
  EXPECT_THAT(take_all(), ElementsAre(1));
}

TEST_F(chunked, a_publisher_refuses_to_be_used_outside_of_hooks) {
  open(1);
  tracked value{1};

  EXPECT_THROW(out->try_publish(&value), puma::usage_error);

  EXPECT_EQ(value.number(), 1);
}

} // namespace
