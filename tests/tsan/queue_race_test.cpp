// SPDX-License-Identifier: Apache-2.0

// Races between hosts of pooled runnables, which hand chunks over.

#include "tests/support/items.hpp"
#include "tests/support/stats.hpp"
#include "tests/tsan/fake_host.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <thread>
#include <utility>
#include <vector>

using namespace puma_test;
using puma::publish_result;
using number = std::uint64_t;

namespace {

/// Counts values that do not come in the order 0, 1, 2 and so on.
struct sequence {
  number next = 0;
  number sum = 0;
  number out_of_order = 0;

  void add(number x) {
    out_of_order += x != next++ ? 1 : 0;
    sum += x;
  }

  void expect_all(number count) const {
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_EQ(next, count);
    EXPECT_EQ(sum, count * (count - 1) / 2);
  }
};

/// Waiting costs most where the capacity is low.
number count_for(std::size_t capacity) {
  return capacity < 16 ? 20'000 : 100'000;
}

/// Makes `host` publish `first`, `first + 1` and so on, `count` in all.
void generate_numbers(fake_host& host, const queue_ptr& to, number first,
                      number count,
                      fake_host::ending how = fake_host::ending::complete) {
  auto& out = host.publish_to(to);
  host.generate([&host, &out, i = first, last = first + count, how]() mutable {
    if (i == last) {
      host.stop(how);
      return false;
    }
    return publish(out, i++) == publish_result::accepted;
  });
}

class hosts : public ::testing::TestWithParam<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(capacity, hosts, ::testing::Values(1, 3, 64, 1024),
                         ::testing::PrintToStringParamName());

TEST_P(hosts, in_a_pipeline_pass_on_every_value_in_order) {
  const auto count = count_for(GetParam());
  const auto first = make_queue<number>(GetParam());
  const auto second = make_queue<number>(GetParam());
  sequence seen;
  fake_host source;
  fake_host middle;
  fake_host sink;
  generate_numbers(source, first, 0, count);
  auto& out = middle.publish_to(second);
  middle.receive<number>(first, [&out](number& x) { publish(out, x); });
  sink.receive<number>(second, [&seen](number& x) { seen.add(x); });

  for (auto* x : {&sink, &middle, &source})
    x->start();
  for (auto* x : {&sink, &middle, &source})
    x->join();

  seen.expect_all(count);
  expect_balanced(first->stats());
  expect_balanced(second->stats());
}

TEST_P(hosts, that_make_several_values_of_one_lose_none_of_them) {
  const auto count = count_for(GetParam());
  constexpr number each = 5; // four of them may have to wait in the outbox
  const auto first = make_queue<number>(GetParam());
  const auto second = make_queue<number>(GetParam());
  sequence seen;
  fake_host source;
  fake_host middle;
  fake_host sink;
  generate_numbers(source, first, 0, count / each);
  auto& out = middle.publish_to(second);
  middle.receive<number>(first, [&out](number& x) {
    for (number i = 0; i != each; ++i)
      publish(out, x * each + i);
  });
  sink.receive<number>(second, [&seen](number& x) { seen.add(x); });

  for (auto* x : {&source, &middle, &sink})
    x->start();
  for (auto* x : {&source, &middle, &sink})
    x->join();

  seen.expect_all(count);
  expect_balanced(second->stats());
}

TEST_P(hosts, that_come_and_go_at_the_sending_end_leave_nothing_behind) {
  const auto count = count_for(GetParam()) / 4;
  const auto q = make_queue<number>(GetParam());
  sequence seen;
  fake_host sink;
  sink.receive<number>(q, [&seen](number& x) { seen.add(x); });
  sink.start();

  std::list<fake_host> sources;
  for (number first = 0; first != count; first += count / 50) {
    generate_numbers(sources.emplace_back(), q, first, count / 50,
                     first + count / 50 == count
                       ? fake_host::ending::complete
                       : fake_host::ending::leave_open);
    sources.back().start();
    sources.back().join();
  }
  sink.join();

  seen.expect_all(count);
  expect_balanced(q->stats());
}

TEST_P(hosts, that_come_and_go_at_the_receiving_end_lose_nothing) {
  const auto count = count_for(GetParam()) / 4;
  const auto q = make_queue<number>(GetParam());
  sequence seen;
  fake_host source;
  generate_numbers(source, q, 0, count);
  source.start();

  std::list<fake_host> sinks;
  while (seen.next != count) {
    auto& sink = sinks.emplace_back();
    const auto until = std::min(seen.next + 1 + sinks.size() * 7 % 500, count);
    sink.receive<number>(q, [&sink, &seen, until](number& x) {
      seen.add(x);
      if (seen.next == until)
        sink.stop(fake_host::ending::complete);
    });
    sink.start();
    sink.join();
  }
  source.join();

  seen.expect_all(count);
  expect_balanced(q->stats());
}

TEST_P(hosts, hear_of_an_error_after_the_values_before_it) {
  const auto count = count_for(GetParam()) / 4;
  const auto q = make_queue<number>(GetParam());
  sequence seen;
  number received = 0;
  fake_host sink;
  fake_host failing;
  std::list<fake_host> others;
  sink.receive<number>(q, [&](number& x) {
    ++received;
    if (x < count)
      seen.add(x);
  });
  generate_numbers(failing, q, 0, count, fake_host::ending::fail);
  for (int i = 0; i != 2; ++i)
    generate_numbers(others.emplace_back(), q, count, count * 1000);

  for (auto& x : others)
    x.start();
  for (auto* x : {&sink, &failing})
    x->start();
  for (auto* x : {&sink, &failing})
    x->join();
  others.clear();

  EXPECT_TRUE(sink.input_failed());
  seen.expect_all(count);
  const auto stats = q->stats();
  EXPECT_EQ(stats.taken, received);
  EXPECT_EQ(stats.waiting, 0u);
  expect_balanced(stats);
}

TEST_P(hosts, share_a_queue_with_plain_threads) {
  const auto count = count_for(GetParam()) / 8;
  constexpr number publishers = 4;
  const auto q = make_queue<number>(GetParam());
  std::vector<sequence> seen(publishers);
  fake_host sink;
  std::list<fake_host> sources;
  std::vector<std::thread> threads;
  sink.receive<number>(q, [&](number& x) { seen[x / count].add(x % count); });
  q->add_token();
  for (number p = 0; p != 2; ++p)
    generate_numbers(sources.emplace_back(), q, p * count, count);
  for (number p = 2; p != publishers; ++p)
    threads.emplace_back([&q, p, count] {
      puma::internal::outlet out{q, nullptr, {}};
      for (number i = 0; i != count; ++i)
        publish(out, p * count + i);
      complete(out);
    });

  for (auto& x : sources)
    x.start();
  sink.start();
  for (auto& x : threads)
    x.join();
  q->drop_token();
  for (auto& x : sources)
    x.join();
  sink.join();

  for (const auto& x : seen)
    x.expect_all(count);
  expect_balanced(q->stats());
}

TEST_P(hosts, pass_on_values_that_own_something) {
  const int count = static_cast<int>(count_for(GetParam()) / 4);
  const auto first = make_queue<tracked>(GetParam());
  const auto second = make_queue<tracked>(GetParam());
  number received = 0;
  fake_host source;
  fake_host middle;
  fake_host sink;
  auto& source_out = source.publish_to(first);
  source.generate([&source, &source_out, count, i = 0]() mutable {
    publish(source_out, tracked{i});
    return ++i != count;
  });
  auto& out = middle.publish_to(second);
  middle.receive<tracked>(first, [&out](tracked& x) {
    publish(out, tracked{x.number()});
    publish(out, std::move(x));
  });
  // Stops half-way, so that values are left everywhere.
  sink.receive<tracked>(second, [&](tracked&) {
    if (++received == static_cast<number>(count))
      sink.stop(fake_host::ending::complete);
  });

  for (auto* x : {&source, &middle, &sink})
    x->start();
  sink.join();
  {
    fake_host rest;
    rest.receive<tracked>(second, [&](tracked&) { ++received; });
    rest.start();
  }
  for (auto* x : {&source, &middle})
    x->join();

  EXPECT_EQ(received, 2 * static_cast<number>(count));
  EXPECT_EQ(tracked::alive(), 0);
  EXPECT_EQ(tracked::violations(), 0);
}

} // namespace
