// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/pump.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/unix_socket.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr std::size_t buffer_size = 64 * 1024;

/// A pump that never waits looks so often whether it is to stop.
constexpr unsigned moves_per_look = 64;

class plain_end final : public byte_end {
 public:
  explicit plain_end(int descriptor) noexcept : descriptor_(descriptor) {}

  ~plain_end() override { ::close(descriptor_); }

  result read(bytes to) override {
    return judge(::recv(descriptor_, to.data(), to.size(), MSG_DONTWAIT));
  }

  result write(std::span<const std::byte> from) override {
    return judge(::send(descriptor_, from.data(), from.size(),
                        MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  [[nodiscard]] int descriptor() const noexcept override { return descriptor_; }

  [[nodiscard]] short read_events() const noexcept override { return POLLIN; }
  [[nodiscard]] short write_events() const noexcept override { return POLLOUT; }

 private:
  static result judge(ssize_t n) noexcept {
    if (n > 0)
      return {outcome::some, static_cast<std::size_t>(n)};
    const bool blocked = n < 0
                         && (errno == EAGAIN || errno == EWOULDBLOCK
                             || errno == EINTR || errno == ENOBUFS);
    return {blocked ? outcome::blocked : outcome::over};
  }

  int descriptor_;
};

/// What flows from one end to the other.
class flow {
 public:
  flow(byte_end& from, byte_end& to)
    : from_(from),
      to_(to),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(buffer_size)) {}

  /// Returns whether something was done.
  bool move() {
    bool moved = false;
    if (begin_ == end_ && !over_) {
      const auto x = from_.read({buffer_.get(), buffer_size});
      over_ = x.what == byte_end::outcome::over;
      begin_ = 0;
      end_ = x.size;
      moved = x.what != byte_end::outcome::blocked;
    }
    while (begin_ != end_) {
      const auto x = to_.write({buffer_.get() + begin_, end_ - begin_});
      if (x.what == byte_end::outcome::blocked)
        break;
      moved = true;
      if (x.what == byte_end::outcome::over) {
        // Nobody is there to take it; what comes the other way still counts.
        begin_ = end_ = 0;
        over_ = true;
        broken_ = true;
        break;
      }
      begin_ += x.size;
      if (x.size == 0)
        break; // it wants to be read first
    }
    return moved;
  }

  /// All that came has been passed on, and no more will come.
  [[nodiscard]] bool is_done() const noexcept {
    return over_ && !broken_ && begin_ == end_;
  }

  /// The other end takes no more.
  [[nodiscard]] bool is_broken() const noexcept { return broken_; }

  [[nodiscard]] short from_events() const noexcept {
    return begin_ == end_ && !over_ ? from_.read_events() : short{0};
  }

  [[nodiscard]] short to_events() const noexcept {
    return begin_ != end_ ? to_.write_events() : short{0};
  }

 private:
  byte_end& from_;
  byte_end& to_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool over_ = false;
  bool broken_ = false;
};

void pass_on(byte_end& a, byte_end& b, int stop) {
  flow there{a, b};
  flow back{b, a};
  for (unsigned busy = 0;; ++busy) {
    const bool moved = there.move();
    if (back.move() || moved) {
      pollfd stopped{stop, POLLIN, 0};
      if (busy % moves_per_look == 0 && ::poll(&stopped, 1, 0) == 1)
        return;
      continue;
    }
    if (there.is_done() || back.is_done()
        || (there.is_broken() && back.is_broken()))
      return;
    const auto events = [](int x, int y) { return static_cast<short>(x | y); };
    pollfd watched[] = {
      {a.descriptor(), events(there.from_events(), back.to_events()), 0},
      {b.descriptor(), events(back.from_events(), there.to_events()), 0},
      {stop, POLLIN, 0}};
    // An end that is waited for in neither way would only say that it is over.
    for (auto& x : watched)
      if (x.events == 0)
        x.fd = -1;
    if (::poll(watched, std::size(watched), -1) < 0 && errno != EINTR)
      return;
    if (watched[2].revents != 0)
      return;
  }
}

} // namespace

std::unique_ptr<byte_end> socket_end(int descriptor) {
  return std::make_unique<plain_end>(descriptor);
}

pump_set::pump_set() : stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (stop_ < 0)
    throw error{std::string{"eventfd failed: "} + std::strerror(errno)};
}

pump_set::~pump_set() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(stop_, &one, sizeof(one)));
  for (auto& x : pumps_)
    x.thread.join();
  ::close(stop_);
}

void pump_set::reap() {
  for (auto i = pumps_.begin(); i != pumps_.end();)
    if (i->done) {
      i->thread.join();
      i = pumps_.erase(i);
    } else {
      ++i;
    }
}

void pump_set::connect(std::unique_ptr<byte_end> a,
                       std::unique_ptr<byte_end> b) {
  const signals_blocked guard_signals;
  const std::lock_guard guard{mutex_};
  reap();
  auto& x = pumps_.emplace_back();
  try {
    x.thread = std::thread{
      [this, &x, from = std::move(a), to = std::move(b)]() mutable {
        try {
          pass_on(*from, *to, stop_);
          from->finish(stop_);
          to->finish(stop_);
        } catch (const std::exception&) {
          // Without memory there is no connection; both sides notice.
        }
        from.reset();
        to.reset();
        const std::lock_guard inner{mutex_};
        x.done = true;
      }};
  } catch (const std::system_error& failed) {
    pumps_.pop_back();
    throw error{std::string{"no thread for a connection: "} + failed.what()};
  }
}

owned_descriptor pump_set::connect_locally(std::unique_ptr<byte_end> x) {
  const auto [mine, theirs] = socket_pair();
  owned_descriptor result{mine};
  auto local = socket_end(theirs);
  connect(std::move(x), std::move(local));
  return result;
}

signals_blocked::signals_blocked() noexcept {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

signals_blocked::~signals_blocked() {
  // What came because of a closed socket concerns nobody else.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  if (sigismember(&before_, SIGPIPE) == 0) {
    const timespec at_once{};
    while (::sigtimedwait(&pipe, nullptr, &at_once) > 0) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace puma::internal
