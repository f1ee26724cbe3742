// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/by_hand.hpp"

#include "puma/environments/internal/channel.hpp"
#include "puma/environments/internal/connection.hpp"
#include "puma/environments/internal/net_address.hpp"
#include "tests/processes/places.hpp"

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace puma_test {

using puma::internal::errand;
using puma::internal::frame_header;
using puma::internal::net_address;
using puma::internal::node_request;
using puma::internal::owned_descriptor;
using puma::internal::plain_channel;
using puma::internal::wait_limit;

// -- frames -------------------------------------------------------------------

frame make_frame(std::uint8_t kind, std::uint64_t to,
                 std::span<const std::byte> body) {
  const frame_header head{
    static_cast<std::uint32_t>(body.size()), kind, {}, to};
  const auto bytes = std::as_bytes(std::span{&head, 1});
  frame result{bytes.begin(), bytes.end()};
  result.insert(result.end(), body.begin(), body.end());
  return result;
}

std::uint8_t kind_of(const frame& x) {
  return static_cast<std::uint8_t>(x.at(offsetof(frame_header, kind)));
}

void fix_length(frame& x) {
  if (x.size() < sizeof(frame_header))
    return;
  const auto length = static_cast<std::uint32_t>(x.size()
                                                 - sizeof(frame_header));
  std::memcpy(x.data() + offsetof(frame_header, length), &length,
              sizeof(length));
}

void frame_splitter::add(std::span<const std::byte> x) {
  bytes_.insert(bytes_.end(), x.begin(), x.end());
}

frame frame_splitter::next() {
  frame_header head;
  if (bytes_.size() < sizeof(head))
    return {};
  std::memcpy(&head, bytes_.data(), sizeof(head));
  const auto size = sizeof(head) + head.length;
  if (bytes_.size() < size)
    return {};
  const auto end = bytes_.begin() + static_cast<std::ptrdiff_t>(size);
  frame result{bytes_.begin(), end};
  bytes_.erase(bytes_.begin(), end);
  return result;
}

// -- a connection -------------------------------------------------------------

wire::wire(owned_descriptor socket, int cancel)
  : socket_(std::move(socket)),
    cancel_(cancel) {}

wait_limit wire::limit(std::chrono::milliseconds time) const {
  return {steady::now() + time, cancel_};
}

void wire::receive() {
  std::byte some[16 * 1024];
  for (;;) {
    const auto n = ::recv(socket_.get(), some, sizeof(some), MSG_DONTWAIT);
    if (n > 0) {
      heard_.add({some, static_cast<std::size_t>(n)});
    } else if (n == 0 || errno != EINTR) {
      closed_ = closed_ || n == 0 || errno != EAGAIN;
      return;
    }
  }
}

bool wire::say(std::span<const std::byte> x) {
  while (!x.empty() && !closed_) {
    const auto n = ::send(socket_.get(), x.data(), x.size(),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      x = x.subspan(static_cast<std::size_t>(n));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR)
      closed_ = true;
    else if (!limit(patience).wait(socket_.get(), POLLIN | POLLOUT))
      return false;
    else
      receive();
  }
  return x.empty();
}

bool wire::say_deafly(std::span<const std::byte> x,
                      std::chrono::milliseconds time) {
  while (!x.empty()) {
    const auto n = ::send(socket_.get(), x.data(), x.size(),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
      x = x.subspan(static_cast<std::size_t>(n));
    else if ((errno != EAGAIN && errno != EINTR)
             || !limit(time).wait(socket_.get(), POLLOUT))
      return false;
  }
  return true;
}

frame wire::hear(std::chrono::milliseconds time) {
  const auto until = limit(time);
  for (;;) {
    if (auto x = heard_.next(); !x.empty())
      return x;
    if (closed_ || !until.wait(socket_.get(), POLLIN))
      return {};
    receive();
  }
}

wire introduce(const std::string& address, const node_request& what, int cancel,
               const puma::internal::node_route& route) {
  const wait_limit limit{steady::now() + patience, cancel};
  const auto by = plain_channel(
    puma::internal::connect_to(net_address::parse(address), limit, "n"), "n");
  puma::internal::greeting::introduce(*by, "", what, limit, "n", route);
  puma::internal::pump_set none; // what has no TLS needs none
  return wire{by->release(none), cancel};
}

// -- nodes --------------------------------------------------------------------

fake_node::fake_node()
  : listening_(
    puma::internal::listen_at(net_address::parse("tcp://127.0.0.1:0"))) {}

std::string fake_node::address() const {
  return puma::internal::bound_address(listening_.get(),
                                       net_address::parse("tcp://127.0.0.1:0"))
    .to_string();
}

owned_descriptor fake_node::accept(int cancel) const {
  const wait_limit limit{steady::now() + patience, cancel};
  static_cast<void>(limit.wait(listening_.get(), POLLIN));
  return owned_descriptor{puma::internal::accept_from(listening_.get())};
}

fake_server::fake_server(service how)
  : how_(std::move(how)),
    cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    runner_([this] { run(); }) {}

fake_server::~fake_server() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(cancel_.get(), &one, sizeof(one)));
  runner_.join();
  for (auto& x : threads_)
    x.join();
}

void fake_server::run() {
  const puma::internal::signals_blocked no_signals;
  const wait_limit now{steady::time_point::max(), cancel_.get()};
  while (!now.is_cancelled()) {
    auto socket = listening_.accept(cancel_.get());
    if (socket.get() < 0)
      continue;
    threads_.emplace_back([this, own = std::move(socket)]() mutable {
      try {
        how_(std::move(own), cancel_.get());
      } catch (const std::exception&) {
        // Who has connected sees it closed.
      }
    });
  }
}

guest greet(owned_descriptor socket, int cancel) {
  const wait_limit limit{steady::now() + patience, cancel};
  const std::string token;
  const auto by = plain_channel(std::move(socket), "owner");
  puma::internal::greeting::welcome x{*by, token, limit};
  x.answer(puma::internal::node_verdict::accepted, {});
  puma::internal::pump_set none; // what has no TLS needs none
  return {x.request(), wire{by->release(none), cancel}};
}

meddler::meddler(std::string node, change what)
  : node_(std::move(node)),
    what_(std::move(what)),
    server_([this](owned_descriptor from, int cancel) {
      serve(std::move(from), cancel);
    }) {}

void meddler::serve(owned_descriptor from, int cancel) {
  auto [request, owner] = greet(std::move(from), cancel);
  auto node = introduce(node_, request, cancel);
  const auto pass_on = [this, what = request.what](wire& a, way where,
                                                   wire& b) {
    a.receive();
    for (auto x = a.next(); !x.empty(); x = a.next()) {
      {
        const std::lock_guard guard{mutex_};
        what_(where, what, x);
      }
      if (!b.say(x))
        return false;
    }
    return !a.is_closed();
  };
  while (pass_on(owner, way::to_node, node)
         && pass_on(node, way::to_owner, owner)) {
    // Not for ever: some may have come in while something was said.
    constexpr int turn = 20;
    pollfd watched[] = {{owner.descriptor(), POLLIN, 0},
                        {node.descriptor(), POLLIN, 0},
                        {cancel, POLLIN, 0}};
    ::poll(watched, std::size(watched), turn);
    if (watched[2].revents != 0)
      return;
  }
}

} // namespace puma_test
