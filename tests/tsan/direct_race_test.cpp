// SPDX-License-Identifier: Apache-2.0

// Races between plain threads, which publish and wait directly.

#include "puma/base/internal/wait_driver.hpp"
#include "tests/support/stats.hpp"
#include "tests/tsan/raw_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

using namespace puma_test;
using namespace std::chrono_literals;
using puma::publish_result;
using puma::receive_status;
using puma::internal::inlet;
using puma::internal::outlet;
using puma::internal::wake_list;
using number = std::uint64_t;

namespace {

constexpr number publishers = 4;

/// Runs `body(p)` in a thread for each publisher, and joins them at the end.
class publishing {
 public:
  explicit publishing(const std::function<void(number)>& body) {
    for (number p = 0; p != publishers; ++p)
      threads_.emplace_back([body, p] { body(p); });
  }

  publishing(const publishing&) = delete;
  publishing& operator=(const publishing&) = delete;

  ~publishing() { join(); }

  void join() {
    for (auto& x : threads_)
      if (x.joinable())
        x.join();
  }

 private:
  std::vector<std::thread> threads_;
};

/// Counts the values of each publisher, and those that are out of order.
struct tally {
  number each;
  std::vector<number> next = std::vector<number>(publishers, 0);
  number out_of_order = 0;

  void add(number x) { out_of_order += next[x / each]++ != x % each ? 1 : 0; }

  void expect_all() const {
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_THAT(next, ::testing::Each(each));
  }
};

class threads : public ::testing::TestWithParam<std::size_t> {
 protected:
  const number each = GetParam() < 16 ? 2'000 : 25'000;
  const queue_ptr q = make_queue<number>(GetParam());
};

INSTANTIATE_TEST_SUITE_P(capacity, threads, ::testing::Values(1, 3, 64, 1024),
                         ::testing::PrintToStringParamName());

TEST_P(threads, that_hold_tokens_keep_the_stream_open_for_their_publishers) {
  inlet in{q, nullptr};
  tally seen{each};
  for (number p = 0; p != publishers; ++p)
    q->add_token();
  const publishing running{[&](number p) {
    outlet out{q, nullptr, {}};
    q->drop_token();
    for (number i = 0; i != each; ++i)
      publish(out, p * each + i);
    complete(out);
  }};

  while (const auto x = next<number>(in))
    seen.add(*x);

  seen.expect_all();
  expect_balanced(q->stats());
}

TEST_P(threads, that_subscribe_in_turn_lose_nothing) {
  tally seen{each};
  for (number p = 0; p != publishers; ++p)
    q->add_token();
  const publishing running{[&](number p) {
    outlet out{q, nullptr, {}};
    q->drop_token();
    for (number i = 0; i != each; ++i)
      publish(out, p * each + i);
    complete(out);
  }};

  for (number turn = 0, total = 0; total != publishers * each; ++turn) {
    inlet in{q, nullptr};
    for (number i = 0; i != turn % 100 && total != publishers * each; ++i) {
      seen.add(next<number>(in).value_or(0));
      ++total;
    }
  }

  seen.expect_all();
}

TEST_P(threads, see_closed_when_one_of_them_fails_in_mid_stream) {
  inlet in{q, nullptr};
  std::atomic<number> accepted{0};
  publishing running{[&](number p) {
    outlet out{q, nullptr, {}};
    for (number i = 0; p != 0 || i != each; ++i) {
      if (publish(out, i) == publish_result::closed)
        return;
      ++accepted;
    }
    wake_list wakes;
    out.fail(puma::failure{std::make_exception_ptr(1)}, wakes);
  }};

  number received = 0;
  while (next<number>(in))
    ++received;
  running.join();

  EXPECT_EQ(in.refill(false), receive_status::failed);
  EXPECT_EQ(received, accepted);
  EXPECT_EQ(q->stats().taken, received);
  expect_balanced(q->stats());
}

TEST_P(threads, see_closed_when_the_queue_is_closed_to_them) {
  inlet in{q, nullptr};
  std::atomic<number> accepted{0};
  publishing running{[&](number) {
    outlet out{q, nullptr, {}};
    while (publish(out, number{1}) == publish_result::accepted)
      ++accepted;
  }};
  number received = 0;
  for (; received != each; ++received)
    next<number>(in);

  q->close_external();
  while (next<number>(in))
    ++received;
  running.join();

  EXPECT_EQ(in.refill(false), receive_status::completed);
  EXPECT_EQ(received, accepted);
  expect_balanced(q->stats());
}

TEST_P(threads, with_time_limits_neither_lose_values_nor_invent_them) {
  inlet in{q, nullptr};
  std::atomic<number> accepted{0};
  std::atomic<number> running_count{publishers};
  publishing running{[&](number) {
    outlet out{q, nullptr, {}};
    for (number i = 0; i != each; ++i)
      if (out.publish(&i, puma::internal::deadline_after(10us))
          == publish_result::accepted)
        ++accepted;
    --running_count;
  }};

  number received = 0;
  while (running_count != 0 || q->stats().waiting != 0) {
    if (next<number>(in, puma::internal::deadline_after(10us)))
      ++received;
  }

  EXPECT_EQ(received, accepted);
  expect_balanced(q->stats());
}

TEST_P(threads, that_drop_the_oldest_deliver_the_rest_in_order) {
  for (const auto policy :
       {puma::overflow::drop_oldest, puma::overflow::latest}) {
    const auto lossy = make_queue<number>(GetParam(), {.overflow = policy});
    inlet in{lossy, nullptr};
    std::vector<number> last(publishers, 0);
    number out_of_order = 0;
    number received = 0;
    for (number p = 0; p != publishers; ++p)
      lossy->add_token();
    const publishing running{[&](number p) {
      outlet out{lossy, nullptr, {}};
      lossy->drop_token();
      for (number i = 1; i != each; ++i)
        publish(out, p * each + i);
      complete(out);
    }};

    while (const auto x = next<number>(in)) {
      auto& before = last[*x / each];
      out_of_order += *x % each <= before ? 1 : 0;
      before = *x % each;
      ++received;
    }

    const auto stats = lossy->stats();
    EXPECT_EQ(out_of_order, 0u);
    EXPECT_EQ(stats.accepted, publishers * (each - 1));
    EXPECT_EQ(stats.accepted, received + stats.dropped_oldest);
  }
}

} // namespace
