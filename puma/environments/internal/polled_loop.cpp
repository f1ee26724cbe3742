// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/polled_loop.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// An answer of another process that does not have to be woken, or only once,
/// comes within this time.
constexpr cycles poll_time = about_microseconds(50);

/// After so long without anything nobody is waiting for an answer.
constexpr cycles hot_time = about_microseconds(500);

/// How long nobody polls once others have needed the processor: at first, and
/// when they keep on doing so.
constexpr cycles least_rest = about_microseconds(1'000);
constexpr cycles most_rest = about_microseconds(100'000);

/// After so many times in vain, only one of as many tries is made.
constexpr std::uint32_t most_misses = 8;

/// What a worker that has got a long job may keep waiting.
constexpr std::chrono::microseconds tick_time{250};

/// As long as no worker has, ticks are so many times rarer in the end: each
/// disturbs somebody.
constexpr int most_tick_factor = 8;

/// Handled before the worker looks for jobs again.
constexpr int most_events = 4;

/// Zero disarms it.
void set_timer(int timer, std::chrono::nanoseconds delay) noexcept {
  itimerspec when{};
  when.it_value.tv_nsec = delay.count();
  ::timerfd_settime(timer, 0, &when, nullptr);
}

} // namespace

/// One descriptor.
class polled_loop::entry final : public handle,
                                 public std::enable_shared_from_this<entry> {
 public:
  entry(polled_loop& loop, int descriptor, std::shared_ptr<io_client> whom)
    : client(std::move(whom)),
      loop_(loop),
      descriptor_(descriptor) {}

  void want_write() override {
    if (!control(EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT))
      remove(); // rather than to wait for ever
  }

  void start() {
    if (!control(EPOLL_CTL_ADD, EPOLLIN))
      remove();
  }

  void stop_write() { control(EPOLL_CTL_MOD, EPOLLIN); }

  void remove() override {
    {
      const std::lock_guard guard{loop_.mutex_};
      if (over.exchange(true))
        return;
      ::epoll_ctl(loop_.set_, EPOLL_CTL_DEL, descriptor_, nullptr);
      loop_.removed_.push_back(shared_from_this());
    }
    loop_.post([self = loop_.shared_from_this()] { self->round(); });
  }

  void close() noexcept { ::close(descriptor_); }

  std::shared_ptr<io_client> client;
  std::atomic<bool> over{false};

 private:
  bool control(int what, std::uint32_t events) {
    const std::lock_guard guard{loop_.mutex_};
    if (over)
      return true;
    epoll_event event{};
    event.events = events;
    event.data.ptr = this;
    return ::epoll_ctl(loop_.set_, what, descriptor_, &event) == 0;
  }

  polled_loop& loop_; // outlives all entries, which it holds
  const int descriptor_;
};

/// Passes on what the other loop sees at one of our own descriptors.
class polled_loop::watcher final : public io_client {
 public:
  using member = void (polled_loop::*)();

  watcher(std::shared_ptr<polled_loop> loop, member what)
    : loop_(std::move(loop)),
      what_(what) {}

  bool on_readable() override {
    (loop_.get()->*what_)();
    return true;
  }

  bool on_writable() override { return false; }

  void on_removed() override { loop_ = nullptr; }

 private:
  std::shared_ptr<polled_loop> loop_;
  const member what_;
};

std::shared_ptr<polled_loop> polled_loop::make(io_loop& base) {
  auto result = std::make_shared<polled_loop>(base);
  result->begin();
  return result;
}

polled_loop::polled_loop(io_loop& base)
  : base_(base),
    set_(::epoll_create1(EPOLL_CLOEXEC)),
    outer_(::epoll_create1(EPOLL_CLOEXEC)),
    tick_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (tick_ != -1 && ::epoll_ctl(outer_, EPOLL_CTL_ADD, set_, &event) == 0)
    return;
  const auto text = std::string{"runtime: could not watch connections: "}
                    + std::strerror(errno);
  for (auto fd : {set_, outer_, tick_})
    if (fd != -1)
      ::close(fd);
  throw error{text};
}

polled_loop::~polled_loop() {
  ::close(set_);
}

void polled_loop::begin() {
  outer_handle_ = base_.watch(
    outer_, std::make_shared<watcher>(shared_from_this(), &polled_loop::round));
  tick_handle_ = base_.watch(
    tick_,
    std::make_shared<watcher>(shared_from_this(), &polled_loop::on_tick));
  base_.start(outer_handle_);
  base_.start(tick_handle_);
}

void polled_loop::stop() {
  const std::lock_guard guard{mask_mutex_};
  if (std::exchange(stopped_, true))
    return;
  outer_handle_->remove();
  tick_handle_->remove();
}

io_loop::handle_ptr polled_loop::watch(int descriptor,
                                       std::shared_ptr<io_client> client) {
  auto result = std::make_shared<entry>(*this, descriptor, std::move(client));
  const std::lock_guard guard{mutex_};
  entries_.insert(result);
  count_.store(entries_.size(), std::memory_order_relaxed);
  return result;
}

void polled_loop::start(const handle_ptr& x) {
  static_cast<entry&>(*x).start();
}

void polled_loop::post(std::function<void()> what) {
  base_.post(std::move(what));
}

// -- events -------------------------------------------------------------------

void polled_loop::round() {
  const std::lock_guard guard{round_mutex_};
  handle_events();
}

bool polled_loop::handle_events() {
  epoll_event events[most_events];
  const int n = ::epoll_wait(set_, events, most_events, 0);
  for (int i = 0; i < n; ++i) {
    auto& x = *static_cast<entry*>(events[i].data.ptr);
    const auto what = events[i].events;
    if ((what & ~std::uint32_t{EPOLLOUT}) != 0 && !x.over
        && !x.client->on_readable())
      x.remove();
    if ((what & EPOLLOUT) != 0 && !x.over) {
      // Before it is asked: somebody may want to write right after.
      x.stop_write();
      if (x.client->on_writable())
        x.want_write();
    }
  }
  bury();
  if (n > 0)
    last_event_.store(read_cycles(), std::memory_order_relaxed);
  return n > 0;
}

void polled_loop::bury() {
  std::vector<std::shared_ptr<entry>> gone;
  {
    const std::lock_guard guard{mutex_};
    if (removed_.empty())
      return;
    gone.swap(removed_);
    for (auto& x : gone)
      entries_.erase(x);
    count_.store(entries_.size(), std::memory_order_relaxed);
  }
  for (auto& x : gone) {
    // First: it may be about to write.
    x->client->on_removed();
    x->client = nullptr;
    x->close();
  }
}

// -- polling ------------------------------------------------------------------

void polled_loop::set_attended(bool x) noexcept {
  epoll_event event{};
  event.events = x ? 0u : std::uint32_t{EPOLLIN};
  ::epoll_ctl(outer_, EPOLL_CTL_MOD, set_, &event);
  attended_.store(x, std::memory_order_relaxed);
}

cycles polled_loop::attend() noexcept {
  if (count_.load(std::memory_order_relaxed) == 0)
    return 0;
  const auto now = read_cycles();
  if (now - last_event_.load(std::memory_order_relaxed) > hot_time
      || now - crowded_.load(std::memory_order_relaxed)
           < rest_.load(std::memory_order_relaxed))
    return 0;
  const auto misses = misses_.load(std::memory_order_relaxed);
  if (misses >= most_misses && misses % most_misses != 0) {
    misses_.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  const std::lock_guard guard{mask_mutex_};
  if (stopped_)
    return 0;
  if (!std::exchange(ticking_, true))
    set_timer(tick_, tick_factor_ * tick_time);
  if (!attended_.load(std::memory_order_relaxed))
    set_attended(true);
  return poll_time;
}

bool polled_loop::poll() noexcept {
  polls_.fetch_add(1, std::memory_order_relaxed);
  if (!round_mutex_.try_lock())
    return false;
  const std::lock_guard guard{round_mutex_, std::adopt_lock};
  const bool result = handle_events();
  if (result)
    misses_.store(0, std::memory_order_relaxed);
  return result;
}

void polled_loop::note_crowd() noexcept {
  const auto now = read_cycles();
  const auto before = crowded_.exchange(now, std::memory_order_relaxed);
  const auto rest = rest_.load(std::memory_order_relaxed);
  rest_.store(now - before < 8 * rest ? std::min(2 * rest, most_rest)
                                      : least_rest,
              std::memory_order_relaxed);
}

void polled_loop::note_miss() noexcept {
  misses_.fetch_add(1, std::memory_order_relaxed);
}

void polled_loop::leave() noexcept {
  const std::lock_guard guard{mask_mutex_};
  if (!stopped_ && attended_.load(std::memory_order_relaxed))
    set_attended(false);
}

void polled_loop::on_tick() {
  std::uint64_t times = 0;
  static_cast<void>(::read(tick_, &times, sizeof(times)));
  const std::lock_guard guard{mask_mutex_};
  const auto polls = polls_.load(std::memory_order_relaxed);
  const bool attended = attended_.load(std::memory_order_relaxed);
  if (attended && std::exchange(polls_seen_, polls) != polls) {
    tick_factor_ = std::min(2 * tick_factor_, most_tick_factor);
    set_timer(tick_, tick_factor_ * tick_time);
    return;
  }
  ticking_ = false;
  if (attended) {
    tick_factor_ = 1;
    set_attended(false);
  }
}

} // namespace puma::internal
