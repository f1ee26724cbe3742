// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/polled_loop.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using namespace std::literals;
using puma::internal::io_client;
using puma::internal::io_loop;
using puma::internal::polled_loop;
using steady = std::chrono::steady_clock;

constexpr auto patience = 10s;

template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = steady::now() + patience;
  while (!condition()) {
    if (steady::now() > deadline)
      return false;
    std::this_thread::sleep_for(100us);
  }
  return true;
}

/// A loop with a thread, in place of the middleman's.
class thread_loop final : public io_loop {
 public:
  thread_loop()
    : set_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(set_, EPOLL_CTL_ADD, wake_, &event);
    thread_ = std::thread{[this] { run(); }};
  }

  thread_loop(const thread_loop&) = delete;
  thread_loop& operator=(const thread_loop&) = delete;

  ~thread_loop() override {
    post([this] { over_ = true; });
    thread_.join();
    ::close(set_);
    ::close(wake_);
  }

  handle_ptr watch(int descriptor, std::shared_ptr<io_client> client) override {
    auto result = std::make_shared<entry>();
    result->loop = this;
    result->descriptor = descriptor;
    result->client = std::move(client);
    result->self = result;
    return result;
  }

  void start(const handle_ptr& x) override {
    auto& one = static_cast<entry&>(*x);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &one;
    ::epoll_ctl(set_, EPOLL_CTL_ADD, one.descriptor, &event);
  }

  void post(std::function<void()> what) override {
    const std::lock_guard guard{mutex_};
    posted_.push_back(std::move(what));
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_, &one, sizeof(one)));
  }

  [[nodiscard]] std::thread::id thread() const { return thread_.get_id(); }

 private:
  struct entry final : handle {
    void want_write() override {}

    void remove() override {
      loop->post([x = self.lock()] {
        ::epoll_ctl(x->loop->set_, EPOLL_CTL_DEL, x->descriptor, nullptr);
        ::close(x->descriptor);
        std::exchange(x->client, nullptr)->on_removed();
      });
    }

    thread_loop* loop = nullptr;
    int descriptor = -1;
    std::shared_ptr<io_client> client;
    std::weak_ptr<entry> self;
  };

  void run() {
    while (!over_) {
      epoll_event event{};
      if (::epoll_wait(set_, &event, 1, -1) != 1)
        continue;
      if (auto* x = static_cast<entry*>(event.data.ptr)) {
        if (x->client)
          x->client->on_readable();
        continue;
      }
      std::uint64_t count = 0;
      static_cast<void>(::read(wake_, &count, sizeof(count)));
      std::vector<std::function<void()>> now;
      {
        const std::lock_guard guard{mutex_};
        now.swap(posted_);
      }
      for (auto& f : now)
        f();
    }
  }

  const int set_;
  const int wake_;
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;
  bool over_ = false;
  std::thread thread_;
};

/// Reads what comes in, and takes notes.
class reader final : public io_client {
 public:
  explicit reader(int descriptor) : descriptor_(descriptor) {}

  bool on_readable() override {
    const entrance here{*this};
    char bytes[256];
    const auto n = ::recv(descriptor_, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (n > 0) {
      teller = std::this_thread::get_id();
      received += n;
    }
    return n > 0 || (n < 0 && errno == EAGAIN);
  }

  bool on_writable() override {
    const entrance here{*this};
    return ++writable < 3;
  }

  void on_removed() override {
    const entrance here{*this};
    ++removed;
  }

  std::atomic<std::thread::id> teller{};
  std::atomic<long> received{0};
  std::atomic<int> writable{0};
  std::atomic<int> removed{0};
  std::atomic<bool> met{false}; // two were here at once

 private:
  struct entrance {
    explicit entrance(reader& x) : who(x) {
      if (who.inside_.exchange(true))
        who.met = true;
    }

    entrance(const entrance&) = delete;
    entrance& operator=(const entrance&) = delete;

    ~entrance() { who.inside_ = false; }

    reader& who;
  };

  const int descriptor_;
  std::atomic<bool> inside_{false};
};

class polled : public testing::Test {
 protected:
  ~polled() override {
    if (!client->removed)
      handle->remove();
    EXPECT_TRUE(eventually([&] { return client->removed == 1; }));
    loop->stop();
    ::close(mine);
    EXPECT_FALSE(client->met);
  }

  void SetUp() override {
    int both[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both), 0);
    mine = both[0];
    client = std::make_shared<reader>(both[1]);
    handle = loop->watch(both[1], client);
    loop->start(handle);
  }

  void send() { ASSERT_EQ(::send(mine, "x", 1, 0), 1); }

  /// Attends to the loop, which is worth it once something has just come in.
  void attend() {
    ASSERT_TRUE(eventually([&] {
      const auto count = client->received.load();
      send();
      while (client->received == count) {
      }
      return loop->attend() != 0;
    }));
    before = client->received;
  }

  thread_loop base;
  std::shared_ptr<polled_loop> loop = polled_loop::make(base);
  std::shared_ptr<reader> client;
  io_loop::handle_ptr handle;
  int mine = -1;
  long before = 0; // what had come in when somebody began to attend
};

TEST_F(polled, tells_on_the_other_loop_while_nobody_attends) {
  send();
  EXPECT_TRUE(eventually([&] { return client->received == 1; }));
  EXPECT_EQ(client->teller.load(), base.thread());
}

TEST_F(polled, is_not_worth_polling_before_something_has_come_in) {
  EXPECT_EQ(loop->attend(), 0u);
  EXPECT_FALSE(loop->attended());
}

TEST_F(polled, is_not_worth_polling_when_nothing_has_come_in_for_a_while) {
  send();
  EXPECT_TRUE(eventually([&] { return client->received == 1; }));
  EXPECT_TRUE(eventually([&] {
    loop->leave();
    return loop->attend() == 0;
  }));
}

TEST_F(polled, tells_who_polls_while_somebody_attends) {
  // Unless the machine keeps this thread from polling.
  EXPECT_TRUE(eventually([&] {
    attend();
    send();
    if (!loop->poll())
      return false;
    EXPECT_FALSE(loop->poll());
    return client->received == before + 1
           && client->teller.load() == std::this_thread::get_id();
  }));
}

TEST_F(polled, is_not_worth_polling_when_others_need_the_processor) {
  attend();
  loop->leave();
  loop->note_crowd();
  send();
  EXPECT_TRUE(eventually([&] { return client->received == before + 1; }));
  // That holds for a while, which may be over on a slow machine.
  EXPECT_TRUE(eventually([&] {
    loop->note_crowd();
    const bool is_worth_it = loop->attend() != 0;
    if (is_worth_it)
      loop->leave();
    return !is_worth_it;
  }));
  attend(); // afterwards it is again
}

TEST_F(polled, tells_on_the_other_loop_what_came_before_all_have_left) {
  attend();
  send();
  loop->leave();
  EXPECT_TRUE(eventually([&] { return client->received == before + 1; }));
  EXPECT_EQ(client->teller.load(), base.thread());
}

TEST_F(polled, tells_on_the_other_loop_when_who_attends_does_not_poll) {
  attend();
  send();
  EXPECT_TRUE(eventually([&] { return client->received == before + 1; }));
  EXPECT_EQ(client->teller.load(), base.thread());
  EXPECT_FALSE(loop->attended());
}

TEST_F(polled, leaves_it_to_who_attends_and_polls) {
  // Unless the machine keeps this thread from polling.
  EXPECT_TRUE(eventually([&] {
    attend();
    const auto until = steady::now() + 5ms;
    while (steady::now() < until)
      loop->poll();
    return loop->attended();
  }));
}

TEST_F(polled, is_rarely_worth_polling_after_many_times_in_vain) {
  int worth = 0;
  int tries = 0;
  for (; tries != 80; ++tries) {
    before = client->received;
    send();
    loop->leave();
    ASSERT_TRUE(eventually([&] { return client->received > before; }));
    if (loop->attend() != 0) {
      ++worth;
      loop->note_miss();
    }
    loop->leave();
  }
  EXPECT_LE(worth, tries / 3);
  attend(); // one of the next tries is
}

TEST_F(polled, asks_for_writing_until_there_is_no_more) {
  handle->want_write();
  EXPECT_TRUE(eventually([&] { return client->writable == 3; }));
  std::this_thread::sleep_for(5ms);
  EXPECT_EQ(client->writable, 3);
  handle->want_write();
  EXPECT_TRUE(eventually([&] { return client->writable == 4; }));
}

TEST_F(polled, forgets_what_the_other_side_has_closed) {
  ::close(std::exchange(mine, -1));
  EXPECT_TRUE(eventually([&] { return client->removed == 1; }));
}

TEST_F(polled, forgets_what_is_removed_while_somebody_attends) {
  attend();
  handle->remove();
  handle->remove();
  EXPECT_TRUE(eventually([&] { return client->removed == 1; }));
  EXPECT_EQ(loop->attend(), 0u);
}

TEST_F(polled, can_be_removed_before_it_is_started) {
  int both[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both), 0);
  const auto other = std::make_shared<reader>(both[1]);
  const auto x = loop->watch(both[1], other);
  x->remove();
  loop->start(x);
  EXPECT_TRUE(eventually([&] { return other->removed == 1; }));
  ::close(both[0]);
}

TEST_F(polled, loses_nothing_between_workers_and_the_other_loop) {
  constexpr long count = 20'000;
  std::atomic<bool> over{false};
  std::vector<std::thread> workers;
  for (int i = 0; i != 2; ++i)
    workers.emplace_back([&, i] {
      for (unsigned turn = 0; !over; ++turn) {
        if (loop->attend() == 0) {
          std::this_thread::yield();
          continue;
        }
        for (int k = 0; k != 20; ++k)
          loop->poll();
        if (turn % 3 != static_cast<unsigned>(i))
          loop->leave();
      }
      loop->leave();
    });
  for (long i = 0; i != count; ++i) {
    send();
    // So that it is often found empty.
    if (i % 16 == 0) {
      EXPECT_TRUE(eventually([&] { return client->received == i + 1; }))
        << "at " << i;
      if (HasFailure())
        break;
    }
  }
  EXPECT_TRUE(eventually([&] { return client->received == count; }));
  over = true;
  for (auto& x : workers)
    x.join();
}

} // namespace
