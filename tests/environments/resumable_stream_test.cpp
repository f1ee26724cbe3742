// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/resumable_stream.hpp"

#include "puma/environments/internal/unix_socket.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;
using puma::internal::byte_end;
using puma::internal::owned_descriptor;
using puma::internal::pump_set;
using puma::internal::resumable_end;
using puma::internal::resumable_stream;
using puma::internal::socket_end;

namespace {

std::pair<owned_descriptor, owned_descriptor> pair_of_sockets() {
  const auto [a, b] = puma::internal::socket_pair();
  return {owned_descriptor{a}, owned_descriptor{b}};
}

std::string random_bytes(std::size_t count, unsigned seed) {
  std::mt19937_64 random{seed};
  std::string result(count, '\0');
  for (auto& x : result)
    x = static_cast<char>(random());
  return result;
}

void send_all(int to, std::string_view text) {
  while (!text.empty()) {
    pollfd watched{to, POLLOUT, 0};
    ::poll(&watched, 1, 1000);
    const auto n = ::send(to, text.data(), text.size(),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
      text.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EAGAIN)
      return;
  }
}

/// Reads until `count` bytes have come, or the end, or nothing for 20 s.
std::string receive(int from, std::size_t count) {
  std::string result;
  std::vector<char> some(64 * 1024);
  while (result.size() < count) {
    pollfd watched{from, POLLIN, 0};
    if (::poll(&watched, 1, 20'000) != 1)
      break;
    const auto n = ::recv(from, some.data(),
                          std::min(some.size(), count - result.size()), 0);
    if (n <= 0)
      break;
    result.append(some.data(), static_cast<std::size_t>(n));
  }
  return result;
}

bool is_over(int from) {
  char more = 0;
  pollfd watched{from, POLLIN, 0};
  return ::poll(&watched, 1, 20'000) == 1 && ::recv(from, &more, 1, 0) <= 0;
}

/// Two ends of a stream, and the connections between them.
class resumable : public ::testing::Test {
 protected:
  struct side {
    std::shared_ptr<resumable_stream> stream;
    owned_descriptor local; // what its user has
  };

  side a;
  side b;
  std::atomic<bool> resumes{true};
  std::atomic<int> cuts{0};

  ~resumable() override {
    ending_ = true;
    ++news_;
    news_.notify_all();
    if (reconnector_.joinable())
      reconnector_.join();
  }

  void begin(std::chrono::milliseconds grace = 30s) {
    auto [x, y] = pair_of_sockets();
    wire_ = owned_descriptor{::dup(x.get())};
    a = make(std::move(x), grace, [this](resumable_stream&) {
      ++cuts;
      ++news_;
      news_.notify_all();
    });
    b = make(std::move(y), grace, nullptr);
    reconnector_ = std::thread{[this] { reconnect(); }};
  }

  /// Breaks the connection there is.
  void cut() {
    const std::lock_guard guard{mutex_};
    ::shutdown(wire_.get(), SHUT_RDWR);
  }

 private:
  side make(owned_descriptor raw, std::chrono::milliseconds grace,
            std::function<void(resumable_stream&)> on_cut) {
    side result;
    result.stream = std::make_shared<resumable_stream>(
      socket_end(raw.release()), grace, std::move(on_cut));
    result.local = pumps_.connect_locally(resumable_end(result.stream));
    return result;
  }

  /// What an owner and a node do.
  void reconnect() {
    for (auto seen = news_.load(); !ending_; news_.wait(seen)) {
      seen = news_.load();
      if (ending_ || !resumes || !a.stream->cut_until())
        continue;
      const auto of_a = a.stream->take_over();
      const auto of_b = b.stream->take_over();
      if (!of_a || !of_b)
        continue;
      auto [x, y] = pair_of_sockets();
      {
        const std::lock_guard guard{mutex_};
        wire_ = owned_descriptor{::dup(x.get())};
      }
      b.stream->resume(socket_end(y.release()), *of_a);
      a.stream->resume(socket_end(x.release()), *of_b);
    }
  }

  std::mutex mutex_;
  owned_descriptor wire_;
  std::atomic<unsigned> news_{0};
  std::atomic<bool> ending_{false};
  pump_set pumps_;
  std::thread reconnector_;
};

TEST_F(resumable, streams_pass_on_bytes_both_ways) {
  begin();
  const auto there = random_bytes(3'000'000, 1);
  const auto back = random_bytes(2'000'000, 2);
  auto one = std::async([&] { send_all(a.local.get(), there); });
  auto other = std::async([&] { send_all(b.local.get(), back); });
  auto came_back = std::async(
    [&] { return receive(a.local.get(), back.size()); });

  EXPECT_TRUE(receive(b.local.get(), there.size()) == there);
  EXPECT_TRUE(came_back.get() == back);
}

TEST_F(resumable, streams_lose_and_repeat_nothing_however_they_are_cut) {
  begin();
  const auto there = random_bytes(20'000'000, 3);
  const auto back = random_bytes(10'000'000, 4);
  std::atomic<bool> done{false};
  std::thread cutter{[&] {
    std::mt19937 random{5};
    while (!done) {
      std::this_thread::sleep_for(std::chrono::microseconds{random() % 3'000});
      cut();
    }
  }};
  auto one = std::async([&] { send_all(a.local.get(), there); });
  auto other = std::async([&] { send_all(b.local.get(), back); });
  auto came_back = std::async(
    [&] { return receive(a.local.get(), back.size()); });
  const auto came = receive(b.local.get(), there.size());
  const bool all_came_back = came_back.get() == back;
  done = true;
  cutter.join();

  EXPECT_TRUE(came == there) << came.size();
  EXPECT_TRUE(all_came_back);
  EXPECT_GT(cuts, 0);
}

TEST_F(resumable, streams_end_after_all_has_come) {
  begin();
  const auto text = random_bytes(700'000, 6);
  auto sending = std::async([&] {
    send_all(a.local.get(), text);
    a.local = owned_descriptor{};
    cut();
  });

  EXPECT_TRUE(receive(b.local.get(), text.size()) == text);
  EXPECT_TRUE(is_over(b.local.get()));
}

TEST_F(resumable, streams_end_at_both_sides_when_one_has_gone) {
  begin();
  b.local = owned_descriptor{};

  EXPECT_TRUE(is_over(a.local.get()));
}

TEST_F(resumable, streams_are_over_when_they_are_not_resumed_in_time) {
  begin(100ms);
  resumes = false;
  cut();

  EXPECT_TRUE(is_over(a.local.get()));
  EXPECT_TRUE(is_over(b.local.get()));
  EXPECT_FALSE(a.stream->take_over());
}

TEST_F(resumable, streams_are_over_at_once_when_they_are_given_up) {
  begin(1h);
  resumes = false;
  cut();
  while (!a.stream->cut_until())
    std::this_thread::sleep_for(1ms);
  a.stream->give_up();

  EXPECT_TRUE(is_over(a.local.get()));
}

TEST_F(resumable, streams_that_are_cut_without_end_are_over) {
  begin(300ms);
  std::atomic<bool> done{false};
  std::thread cutter{[&] {
    while (!done) {
      cut();
      std::this_thread::sleep_for(100us);
    }
  }};

  EXPECT_TRUE(is_over(a.local.get()));
  done = true;
  cutter.join();
}

TEST_F(resumable, streams_hold_back_who_sends_more_than_the_other_side_takes) {
  begin();
  const std::string some(64 * 1024, 'x');
  std::size_t taken = 0;
  for (int idle = 0; idle != 20;) {
    const auto n = ::send(a.local.get(), some.data(), some.size(),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      taken += static_cast<std::size_t>(n);
      idle = 0;
    } else {
      ++idle;
      std::this_thread::sleep_for(5ms);
    }
  }
  constexpr std::size_t sockets_and_buffers = 4'000'000;

  EXPECT_LT(taken, resumable_stream::window_bytes + sockets_and_buffers);
  EXPECT_EQ(receive(b.local.get(), taken).size(), taken);
}

/// A peer that does not keep to the rules.
class misled : public ::testing::TestWithParam<std::vector<std::uint64_t>> {};

INSTANTIATE_TEST_SUITE_P(
  , misled,
  ::testing::Values(std::vector<std::uint64_t>{0},              // nothing
                    std::vector<std::uint64_t>{0x0001'0001},    // too much
                    std::vector<std::uint64_t>{0x3fff'ffff},    // far too much
                    std::vector<std::uint64_t>{0xffff'ffff},    // unknown
                    std::vector<std::uint64_t>{0x8000'0000, 1}, // never sent
                    std::vector<std::uint64_t>{0x4000'0000, 4})); // after it

TEST_P(misled, streams_are_over_and_not_resumed) {
  pump_set pumps;
  auto [mine, theirs] = pair_of_sockets();
  auto stream = std::make_shared<resumable_stream>(socket_end(mine.release()),
                                                   1h, nullptr);
  const auto local = pumps.connect_locally(resumable_end(stream));
  std::string text;
  for (std::size_t i = 0; i != GetParam().size(); ++i)
    text.append(reinterpret_cast<const char*>(&GetParam()[i]),
                i == 1 && GetParam()[0] == 0x8000'0000 ? 8 : 4);
  send_all(theirs.get(), text);

  EXPECT_TRUE(is_over(local.get()));
  EXPECT_TRUE(GetParam()[0] == 0x4000'0000 || !stream->take_over());
}

using some_bytes = std::vector<std::byte>;

/// Writes until the stream takes no more.
void fill_window(resumable_stream& x) {
  const some_bytes some(64 * 1024);
  while (x.write(some).what == byte_end::outcome::some) {
  }
}

TEST(a_resumable_stream, asks_to_be_read_when_a_write_finds_it_cut) {
  auto [here, there] = pair_of_sockets();
  int cuts = 0;
  resumable_stream x{socket_end(here.release()), 10s,
                     [&](resumable_stream&) { ++cuts; }};
  fill_window(x);
  there = owned_descriptor{};
  some_bytes some(100);

  const auto result = x.write(some);

  EXPECT_EQ(result.what, byte_end::outcome::some);
  EXPECT_EQ(result.size, 0u);
  EXPECT_EQ(cuts, 0);
  EXPECT_EQ(x.read(some).what, byte_end::outcome::blocked);
  EXPECT_EQ(cuts, 1);
  EXPECT_EQ(x.write(some).what, byte_end::outcome::blocked);
}

TEST(a_resumable_stream, asks_to_be_read_when_a_write_finds_bytes) {
  auto [here, there] = pair_of_sockets();
  resumable_stream x{socket_end(here.release()), 10s, [](resumable_stream&) {}};
  fill_window(x);
  const std::uint32_t size = 3;
  send_all(there.get(),
           std::string{reinterpret_cast<const char*>(&size), sizeof(size)}
             + "abc");
  some_bytes some(100);

  const auto result = x.write(some);

  EXPECT_EQ(result.what, byte_end::outcome::some);
  EXPECT_EQ(result.size, 0u);
  EXPECT_EQ(x.read(some).size, 3u);
  EXPECT_EQ(x.write(some).what, byte_end::outcome::blocked);
}

} // namespace
