// SPDX-License-Identifier: Apache-2.0

// Whom a queue wakes when it has room again, step by step: an error here is a
// runnable that waits for ever.

#include "tests/tsan/fake_host.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <list>

using namespace puma_test;
using puma::publish_result;
using puma::internal::inlet;
using puma::internal::outlet;

namespace {

class waiting_hosts : public ::testing::Test {
 protected:
  /// Adds a host that publishes `count` values to `to` for each value that it
  /// gets from `triggers`.
  static void multiply(fake_host& host, const queue_ptr& triggers,
                       const queue_ptr& to, int count) {
    auto& out = host.publish_to(to);
    host.receive<int>(triggers, [&out, count](int& x) {
      for (int i = 0; i != count; ++i)
        publish(out, x);
    });
  }

  /// Makes `host` publish to all of `to` for as long as there is room.
  static void publish_always(fake_host& host, std::list<queue_ptr> to) {
    std::list<outlet*> outs;
    for (const auto& x : to)
      outs.push_back(&host.publish_to(x));
    host.generate([outs] {
      for (auto* x : outs)
        publish(*x, 1);
      return true;
    });
  }

  static void put(const queue_ptr& q) {
    outlet out{q, nullptr, {}};
    publish(out, 1);
  }

  /// Receives a value but does not yet offer its room.
  static void take_quietly(inlet& in) {
    ASSERT_EQ(in.refill(false), puma::receive_status::value);
    in.next += sizeof(int);
    in.release(1);
  }

  const queue_ptr q = make_queue<int>(1);
  const queue_ptr first_triggers = make_queue<int>(10);
  const queue_ptr second_triggers = make_queue<int>(10);
  fake_host first;
  fake_host second;
};

TEST_F(waiting_hosts, hear_of_room_that_a_leaving_one_has_released) {
  fake_host sink;
  sink.receive<int>(q, [&](int&) { sink.stop(fake_host::ending::complete); });
  publish_always(first, {q});
  first.run_here();

  sink.run_here();

  EXPECT_TRUE(first.woken());
}

TEST_F(waiting_hosts, are_not_passed_over_for_one_that_found_room_by_itself) {
  inlet in{q, nullptr};
  multiply(first, first_triggers, q, 2);
  multiply(second, second_triggers, q, 1);
  put(first_triggers);
  first.run_here(); // the second value waits
  put(second_triggers);
  second.run_here(); // waits behind it
  take_quietly(in);
  first.run_here(); // woken by something else
  ASSERT_FALSE(second.woken());

  next<int>(in);

  EXPECT_TRUE(second.woken());
}

TEST_F(waiting_hosts, hear_of_room_that_another_one_cannot_use_after_all) {
  const auto other = make_queue<int>(1);
  inlet in{q, nullptr};
  put(q);
  publish_always(first, {other, q});
  first.run_here(); // waits for room in q
  put(other);
  publish_always(second, {q});
  second.run_here(); // waits behind it
  next<int>(in);
  ASSERT_TRUE(first.woken());

  first.run_here(); // must wait for the other queue

  EXPECT_TRUE(second.woken());
}

TEST_F(waiting_hosts, are_served_before_those_that_had_their_turn) {
  inlet in{q, nullptr};
  multiply(first, first_triggers, q, 4);
  multiply(second, second_triggers, q, 1);
  put(first_triggers);
  first.run_here(); // three values wait
  put(second_triggers);
  second.run_here(); // waits behind them
  next<int>(in);
  ASSERT_TRUE(first.woken());
  first.run_here(); // two values wait

  next<int>(in);

  EXPECT_TRUE(second.woken());
}

} // namespace
