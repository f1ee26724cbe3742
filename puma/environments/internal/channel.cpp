// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/channel.hpp"

#include "puma/environments/node_error.hpp"

#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace puma::internal {

namespace {

class plain final : public channel {
 public:
  plain(owned_descriptor socket, std::string name)
    : socket_(std::move(socket)),
      name_(std::move(name)) {}

  void read(std::span<std::byte> to, const wait_limit& limit) override {
    while (!to.empty())
      to = to.subspan(
        step(::recv(socket_.get(), to.data(), to.size(), 0), POLLIN, limit));
  }

  void write(std::span<const std::byte> from,
             const wait_limit& limit) override {
    while (!from.empty())
      from = from.subspan(
        step(::send(socket_.get(), from.data(), from.size(), MSG_NOSIGNAL),
             POLLOUT, limit));
  }

  [[nodiscard]] int descriptor() const noexcept override {
    return socket_.get();
  }

  std::unique_ptr<byte_end> release_end() override {
    return socket_end(socket_.release());
  }

  owned_descriptor release(pump_set&) override { return std::move(socket_); }

 private:
  std::size_t step(ssize_t n, short events, const wait_limit& limit) {
    if (n > 0)
      return static_cast<std::size_t>(n);
    if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
      throw closed_early{name_
                         + ": closed the connection while it was greeted; is "
                           "it a node of puma, and overloaded?"};
    if (!limit.wait(socket_.get(), events))
      throw node_silent{name_ + ": accepted the connection, but did not answer "
                                "in time"};
    return 0;
  }

  owned_descriptor socket_;
  const std::string name_;
};

} // namespace

std::unique_ptr<channel> plain_channel(owned_descriptor socket,
                                       std::string name) {
  return std::make_unique<plain>(std::move(socket), std::move(name));
}

} // namespace puma::internal
