// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/net_socket.hpp"

#include "puma/environments/node_error.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace puma::internal {

namespace {

using clock = std::chrono::steady_clock;

constexpr int backlog = 512;

/// Threads that may wait for the resolver.
constexpr int most_look_ups = 32;

/// A peer whose host has gone without a word is noticed after about this many
/// seconds, where nothing else watches.
constexpr int keep_alive_idle = 15;
constexpr int keep_alive_interval = 5;
constexpr int keep_alive_count = 3;

void set(int descriptor, int level, int option, int value) noexcept {
  ::setsockopt(descriptor, level, option, &value, sizeof(value));
}

void prepare(int descriptor) noexcept {
  set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
  set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, keep_alive_idle);
  set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, keep_alive_interval);
  set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, keep_alive_count);
}

struct addresses {
  int status = 0;
  int reason = 0;
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> list{nullptr, ::freeaddrinfo};
};

addresses look_up(const net_address& where, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addresses result;
  addrinfo* list = nullptr;
  result.status = ::getaddrinfo(where.host.c_str(), where.port.c_str(), &hints,
                                &list);
  result.reason = errno;
  result.list.reset(list);
  return result;
}

std::string reason_of(const addresses& x) {
  return x.status == EAI_SYSTEM ? std::strerror(x.reason)
                                : ::gai_strerror(x.status);
}

/// The resolver of the system knows no deadline, so a name is looked up by a
/// thread that is left alone when it takes too long.
addresses look_up_in_time(const net_address& where, const wait_limit& limit,
                          const std::string& name) {
  if (where.is_numeric())
    return look_up(where, AI_NUMERICHOST);
  static std::atomic<int> under_way{0};
  if (under_way.load() >= most_look_ups)
    throw node_unreachable{name + ": the name '" + where.host
                           + "' was not looked up, since "
                           + std::to_string(most_look_ups)
                           + " others wait for the system's resolver"};
  auto promise = std::make_shared<std::promise<addresses>>();
  auto result = promise->get_future();
  ++under_way;
  try {
    std::thread{[where, promise] {
      promise->set_value(look_up(where, AI_ADDRCONFIG));
      --under_way;
    }}.detach();
  } catch (...) {
    --under_way;
    throw;
  }
  constexpr std::chrono::milliseconds turn{20};
  while (result.wait_for(turn) != std::future_status::ready)
    if (clock::now() > limit.deadline || limit.is_cancelled())
      throw node_unreachable{name + ": the name '" + where.host
                             + "' was not resolved in time"};
  return result.get();
}

std::string text_of(const sockaddr* address, socklen_t size) {
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  if (::getnameinfo(address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV)
      != 0)
    return "?";
  return net_address{false, host, port}.to_string().substr(
    std::strlen("tcp://"));
}

} // namespace

owned_descriptor::~owned_descriptor() {
  if (descriptor_ >= 0)
    ::close(descriptor_);
}

bool wait_limit::wait(int descriptor, short events) const noexcept {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      deadline - clock::now());
    if (left.count() <= 0)
      return false;
    pollfd watched[] = {{descriptor, events, 0}, {cancel, POLLIN, 0}};
    constexpr std::chrono::milliseconds::rep most = 3'600'000;
    const int n = ::poll(watched, 2,
                         static_cast<int>(std::min(left.count(), most)));
    if (n < 0 && errno != EINTR)
      return false;
    if (watched[1].revents != 0)
      return false;
    if (watched[0].revents != 0)
      return true;
  }
}

bool wait_limit::is_cancelled() const noexcept {
  pollfd watched{cancel, POLLIN, 0};
  return cancel >= 0 && ::poll(&watched, 1, 0) == 1;
}

owned_descriptor listen_at(const net_address& where) {
  const auto what = "cannot listen at " + where.to_string();
  const auto found = look_up(where, AI_PASSIVE);
  if (found.status != 0)
    throw error{what + ": " + reason_of(found)};
  int reason = 0;
  for (const auto* x = found.list.get(); x; x = x->ai_next) {
    owned_descriptor result{
      ::socket(x->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    // A node that is started again need not wait until its old connections are
    // forgotten.
    set(result.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (result.get() >= 0
        && ::bind(result.get(), x->ai_addr, x->ai_addrlen) == 0
        && ::listen(result.get(), backlog) == 0)
      return result;
    reason = errno;
  }
  throw error{what + ": " + std::strerror(reason)};
}

net_address bound_address(int descriptor, const net_address& like) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  auto* where = reinterpret_cast<sockaddr*>(&address);
  char port[NI_MAXSERV];
  auto result = like;
  if (::getsockname(descriptor, where, &size) == 0
      && ::getnameinfo(where, size, nullptr, 0, port, sizeof(port),
                       NI_NUMERICSERV)
           == 0)
    result.port = port;
  return result;
}

std::string peer_address(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  auto* who = reinterpret_cast<sockaddr*>(&address);
  return ::getpeername(descriptor, who, &size) == 0 ? text_of(who, size) : "?";
}

int accept_from(int listening) noexcept {
  const int result = ::accept4(listening, nullptr, nullptr,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (result >= 0)
    prepare(result);
  return result;
}

void limit_silence(int descriptor, std::chrono::milliseconds limit) noexcept {
  constexpr std::chrono::milliseconds::rep most = 3'600'000;
  set(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT,
      static_cast<int>(std::min(limit.count(), most)));
}

owned_descriptor connect_to(const net_address& where, const wait_limit& limit,
                            const std::string& name) {
  const auto found = look_up_in_time(where, limit, name);
  if (found.status != 0)
    throw node_unreachable{name + ": the host '" + where.host
                           + "' is not known: " + reason_of(found)};
  int reason = 0;
  for (const auto* x = found.list.get(); x; x = x->ai_next) {
    owned_descriptor result{
      ::socket(x->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (result.get() < 0) {
      reason = errno;
      continue;
    }
    prepare(result.get());
    if (::connect(result.get(), x->ai_addr, x->ai_addrlen) == 0)
      return result;
    if (errno != EINPROGRESS) {
      reason = errno;
      continue;
    }
    if (!limit.wait(result.get(), POLLOUT))
      throw node_unreachable{name + ": " + text_of(x->ai_addr, x->ai_addrlen)
                             + " did not answer in time; is the host up, and "
                               "is nothing in between that drops packets?"};
    socklen_t size = sizeof(reason);
    ::getsockopt(result.get(), SOL_SOCKET, SO_ERROR, &reason, &size);
    if (reason == 0)
      return result;
  }
  const auto text = name + ": cannot be reached: " + std::strerror(reason)
                    + "; is the node running there?";
  if (reason == ECONNREFUSED)
    throw connection_refused{text};
  throw node_unreachable{text};
}

} // namespace puma::internal
