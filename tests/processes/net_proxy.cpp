// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/net_proxy.hpp"

#include "puma/environments/internal/pump.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace puma_test {

namespace {

using puma::internal::owned_descriptor;

constexpr std::size_t most_at_once = 16 * 1024;

/// On a line that is limited, so that each connection gets its share.
constexpr std::size_t most_of_little = 4 * 1024;
constexpr std::size_t least_of_little = 512;

/// What comes beyond that is not read before some of it has gone.
constexpr std::size_t most_under_way = 1024 * 1024;

/// More than this is not saved up while the line is idle.
constexpr std::chrono::duration<double> most_saved{0.02};

/// How often a line that is limited is looked after.
constexpr int turn_milliseconds = 2;

constexpr std::size_t tiny = 7;

/// So that a connection in tiny pieces does not hold up the others.
constexpr int pieces_per_turn = 64;

void check(bool ok, const char* what) {
  if (!ok)
    throw std::runtime_error{std::string{"proxy: "} + what + ": "
                             + std::strerror(errno)};
}

void set_option(int descriptor, int level, int option, int value) {
  check(::setsockopt(descriptor, level, option, &value, sizeof(value)) == 0,
        "setsockopt");
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return result;
}

owned_descriptor new_socket(int flags = 0) {
  owned_descriptor result{
    ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0)};
  check(result.get() >= 0, "socket");
  return result;
}

owned_descriptor bound(std::uint16_t port) {
  auto result = new_socket(SOCK_NONBLOCK);
  // For the one that keeps the port and the one that listens there.
  set_option(result.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  set_option(result.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  const auto where = loopback(port);
  check(::bind(result.get(), reinterpret_cast<const sockaddr*>(&where),
               sizeof(where))
          == 0,
        "bind");
  return result;
}

std::uint16_t port_of(int descriptor) {
  sockaddr_in where{};
  socklen_t size = sizeof(where);
  check(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&where), &size)
          == 0,
        "getsockname");
  return ntohs(where.sin_port);
}

/// Makes closing it a reset.
void forget(int descriptor) {
  const linger at_once{1, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

} // namespace

net_proxy::net_proxy(std::uint16_t to)
  : to_(to),
    place_(bound(0)),
    port_(port_of(place_.get())),
    wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  check(wake_.get() >= 0, "eventfd");
  listen();
  const puma::internal::signals_blocked no_signals;
  thread_ = std::thread{[this] { run(); }};
}

net_proxy::~net_proxy() {
  apply([this] { ending_ = true; });
  thread_.join();
}

std::string net_proxy::address(const std::string& scheme) const {
  return scheme + "://127.0.0.1:" + std::to_string(port_);
}

void net_proxy::set(const quality& x) {
  apply([&] { quality_ = x; });
}

void net_proxy::stall() {
  apply([this] { stalled_ = true; });
}

void net_proxy::go_on() {
  apply([this] { stalled_ = false; });
}

void net_proxy::cut() {
  apply([this] {
    for (auto& x : pairs_) {
      forget(x.owner.get());
      forget(x.node.get());
    }
    pairs_.clear();
  });
}

void net_proxy::refuse() {
  apply([this] { listening_ = owned_descriptor{}; });
}

void net_proxy::admit() {
  apply([this] { listen(); });
}

void net_proxy::corrupt(direction which, std::uint64_t after, std::byte by) {
  apply([&] { change_ = change{which, after, by}; });
}

bool net_proxy::has_corrupted() {
  bool result = false;
  apply([&] { result = !change_; });
  return result;
}

std::uint64_t net_proxy::passed(direction which) {
  std::uint64_t result = 0;
  apply([&] { result = passed_[static_cast<std::size_t>(which)]; });
  return result;
}

std::size_t net_proxy::connections() {
  std::size_t result = 0;
  apply([&] { result = pairs_.size(); });
  return result;
}

// -- the thread ---------------------------------------------------------------

void net_proxy::apply(const std::function<void()>& what) {
  std::unique_lock lock{mutex_};
  jobs_.push_back(&what);
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof(one)));
  changed_.wait(lock, [&] {
    return std::find(jobs_.begin(), jobs_.end(), &what) == jobs_.end();
  });
}

void net_proxy::run() {
  while (do_jobs()) {
    if (!stalled_) {
      accept();
      pass_on();
    }
    wait();
  }
}

bool net_proxy::do_jobs() {
  const std::lock_guard guard{mutex_};
  for (const auto* x : std::exchange(jobs_, {}))
    (*x)();
  changed_.notify_all();
  return !ending_;
}

void net_proxy::listen() {
  listening_ = bound(port_);
  check(::listen(listening_.get(), SOMAXCONN) == 0, "listen");
}

void net_proxy::accept() {
  while (listening_.get() >= 0) {
    owned_descriptor owner{::accept4(listening_.get(), nullptr, nullptr,
                                     SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (owner.get() < 0)
      return;
    auto node = new_socket();
    const auto where = loopback(to_);
    // On this host that does not wait.
    if (::connect(node.get(), reinterpret_cast<const sockaddr*>(&where),
                  sizeof(where))
        != 0) {
      forget(owner.get());
      continue;
    }
    for (const auto* x : {&owner, &node})
      set_option(x->get(), IPPROTO_TCP, TCP_NODELAY, 1);
    const int in = owner.get();
    const int out = node.get();
    pairs_.push_back({std::move(owner),
                      std::move(node),
                      {direction::to_node, in, out},
                      {direction::to_owner, out, in}});
  }
}

void net_proxy::pass_on() {
  earn(clock::now());
  // Each turn begins with another one, so that they share what is limited.
  if (!pairs_.empty())
    pairs_.splice(pairs_.end(), pairs_, pairs_.begin());
  for (auto i = pairs_.begin(); i != pairs_.end();) {
    const auto x = i++;
    const bool goes_on = receive(x->there) && receive(x->back)
                         && deliver(x->there) && deliver(x->back);
    if (!goes_on) {
      forget(x->owner.get());
      forget(x->node.get());
    }
    if (!goes_on || (x->there.finished && x->back.finished))
      pairs_.erase(x);
  }
}

void net_proxy::earn(clock::time_point now) {
  const std::chrono::duration<double> passed = now
                                               - std::exchange(earned_, now);
  const auto rate = static_cast<double>(quality_.bytes_per_second);
  for (auto& x : allowance_)
    x = std::min(x + rate * passed.count(), rate * most_saved.count());
}

std::size_t net_proxy::most_now(const flow& x) const {
  if (x.over || x.size >= most_under_way)
    return 0;
  if (quality_.bytes_per_second == 0)
    return most_at_once;
  const auto left = static_cast<std::size_t>(
    allowance_[static_cast<std::size_t>(x.which)]);
  return left < least_of_little ? 0 : std::min(left, most_of_little);
}

bool net_proxy::receive(flow& x) {
  const auto most = most_now(x);
  if (most == 0)
    return true;
  std::vector<std::byte> bytes(most);
  const auto n = ::recv(x.from, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0)
    return would_block();
  if (n == 0) {
    x.over = true;
    return true;
  }
  const auto size = static_cast<std::size_t>(n);
  bytes.resize(size);
  const auto way = static_cast<std::size_t>(x.which);
  if (quality_.bytes_per_second != 0)
    allowance_[way] -= static_cast<double>(size);
  passed_[way] += size;
  if (change_ && change_->which == x.which) {
    if (change_->after < size) {
      bytes[change_->after] ^= change_->by;
      change_.reset();
    } else {
      change_->after -= size;
    }
  }
  x.size += size;
  x.under_way.push_back({std::move(bytes), clock::now() + quality_.delay});
  return true;
}

bool net_proxy::deliver(flow& x) {
  const auto now = clock::now();
  for (int i = 0; !x.under_way.empty() && x.under_way.front().due <= now; ++i) {
    if (quality_.in_tiny_pieces && i == pieces_per_turn)
      return true;
    const auto& first = x.under_way.front();
    auto most = first.bytes.size() - x.begin;
    if (quality_.in_tiny_pieces)
      most = std::min<std::size_t>(most, 1 + random_() % tiny);
    const auto n = ::send(x.to, first.bytes.data() + x.begin, most,
                          MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
      return would_block();
    x.begin += static_cast<std::size_t>(n);
    x.size -= static_cast<std::size_t>(n);
    if (x.begin == first.bytes.size()) {
      x.begin = 0;
      x.under_way.pop_front();
    }
  }
  if (x.over && x.under_way.empty() && !std::exchange(x.finished, true))
    ::shutdown(x.to, SHUT_WR);
  return true;
}

void net_proxy::wait() {
  std::vector<pollfd> watched{{wake_.get(), POLLIN, 0}};
  int timeout = -1;
  if (!stalled_) {
    watched.push_back(
      {listening_.get(), POLLIN, 0}); // ignored if there is none
    const auto now = clock::now();
    for (auto& both : pairs_)
      for (const auto* x : {&both.there, &both.back}) {
        if (most_now(*x) != 0)
          watched.push_back({x->from, POLLIN, 0});
        else if (!x->over)
          timeout = turn_milliseconds;
        if (x->under_way.empty())
          continue;
        if (x->under_way.front().due <= now)
          watched.push_back({x->to, POLLOUT, 0});
        else
          timeout = turn_milliseconds;
      }
  }
  ::poll(watched.data(), watched.size(), timeout);
  std::uint64_t ignored = 0;
  static_cast<void>(!::read(wake_.get(), &ignored, sizeof(ignored)));
}

} // namespace puma_test
