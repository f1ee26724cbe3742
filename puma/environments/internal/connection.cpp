// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/connection.hpp"

#include "puma/base/error.hpp"
#include "puma/buffers/internal/port.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace puma::internal {

namespace {

/// More than this in the backlog: whoever makes values is to wait.
constexpr std::size_t congestion_bytes = 64 * 1024;

constexpr std::size_t least_input = 64 * 1024;

/// Reads per turn of the loop, so that one connection leaves time for others.
constexpr int reads_per_turn = 8;

} // namespace

connection_ptr connection::open(io_loop& loop, int descriptor, listener& to,
                                node_id peer, bool known) {
  auto result = std::make_shared<connection>(loop, descriptor, to, peer);
  result->introduced = known;
  result->handle_ = loop.watch(descriptor, result);
  return result;
}

connection::connection(io_loop& loop, int descriptor, listener& to,
                       node_id peer) noexcept
  : loop_(loop),
    listener_(to),
    peer_(peer),
    descriptor_(descriptor) {}

// -- sending ------------------------------------------------------------------

void connection::send(std::uint8_t kind, std::uint64_t to, bytes head,
                      bytes body) noexcept {
  const frame_header header{
    static_cast<std::uint32_t>(head.size() + body.size()), kind, {}, to};
  bytes parts[] = {std::as_bytes(std::span{&header, 1}), head, body};
  const std::lock_guard guard{mutex_};
  if (lost_ || closing_)
    return;
  try {
    write_now(parts, std::size(parts));
  } catch (const std::exception&) {
    // No memory to keep it: the stream of frames would have a hole.
    lost_ = true;
    handle_->remove();
  }
}

void connection::send(link_frame what, buffer_id to, bytes head,
                      bytes body) noexcept {
  send(static_cast<std::uint8_t>(what), to, head, body);
}

void connection::write_now(bytes* parts, std::size_t count) {
  std::size_t done = 0;
  if (backlog_.bytes().empty()) {
    iovec vectors[3];
    for (std::size_t i = 0; i != count; ++i)
      vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    for (;;) {
      const auto n = ::sendmsg(descriptor_, &message,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n >= 0) {
        done = static_cast<std::size_t>(n);
        break;
      }
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        break;
      // The reading side sees the same, and says so.
      lost_ = true;
      handle_->remove();
      return;
    }
  }
  const bool was_empty = backlog_.bytes().empty();
  for (std::size_t i = 0; i != count; ++i) {
    const auto skipped = std::min(done, parts[i].size());
    done -= skipped;
    const auto rest = parts[i].subspan(skipped);
    backlog_.block(rest.data(), rest.size());
  }
  if (was_empty && !backlog_.bytes().empty())
    handle_->want_write();
}

bool connection::flush_backlog() noexcept {
  for (;;) {
    const auto rest = backlog_.bytes().subspan(backlog_begin_);
    if (rest.empty()) {
      backlog_.clear();
      backlog_begin_ = 0;
      return true;
    }
    const auto n = ::send(descriptor_, rest.data(), rest.size(),
                          MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
      backlog_begin_ += static_cast<std::size_t>(n);
    else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
      return false;
    else if (errno != EINTR) {
      lost_ = true;
      handle_->remove();
      return true;
    }
  }
}

bool connection::on_writable() {
  std::vector<std::weak_ptr<port>> woken;
  {
    const std::lock_guard guard{mutex_};
    if (lost_)
      return false;
    const bool all_gone = flush_backlog();
    if (backlog_.bytes().size() - backlog_begin_ <= congestion_bytes)
      woken.swap(waiting_);
    if (all_gone && closing_ && !std::exchange(lost_, true))
      handle_->remove();
  }
  for (auto& x : woken)
    if (auto who = x.lock())
      who->signal(wake::data);
  // They may have sent more than the socket takes, on this very thread.
  const std::lock_guard guard{mutex_};
  return !lost_ && !backlog_.bytes().empty();
}

bool connection::is_congested(const std::shared_ptr<port>& who) {
  const std::lock_guard guard{mutex_};
  if (lost_ || backlog_.bytes().size() - backlog_begin_ <= congestion_bytes)
    return false;
  waiting_.push_back(who);
  return true;
}

void connection::close_when_sent() noexcept {
  const std::lock_guard guard{mutex_};
  closing_ = true;
  if (!lost_ && backlog_.bytes().empty()) {
    lost_ = true;
    handle_->remove();
  }
}

void connection::close() noexcept {
  const std::lock_guard guard{mutex_};
  if (!std::exchange(lost_, true))
    handle_->remove();
}

bool connection::all_sent() const noexcept {
  const std::lock_guard guard{mutex_};
  return lost_ || backlog_.bytes().empty();
}

bool connection::has_unread() const noexcept {
  const std::lock_guard guard{mutex_};
  pollfd descriptor{descriptor_, POLLIN, 0};
  return !lost_ && ::poll(&descriptor, 1, 0) == 1
         && (descriptor.revents & POLLIN) != 0;
}

// -- receiving ----------------------------------------------------------------

bool connection::on_readable() {
  for (int i = 0; i != reads_per_turn; ++i) {
    if (input_.size() - input_end_ < least_input / 2) {
      if (input_begin_ != 0) {
        std::memmove(input_.data(), input_.data() + input_begin_,
                     input_end_ - input_begin_);
        input_end_ -= std::exchange(input_begin_, 0);
      }
      if (input_.size() - input_end_ < least_input / 2)
        input_.resize(std::max(least_input, input_.size() * 2));
    }
    const auto space = input_.size() - input_end_;
    const auto n = ::recv(descriptor_, input_.data() + input_end_, space,
                          MSG_DONTWAIT);
    if (n == 0) {
      return false;
    }
    if (n < 0) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        return true;
      if (errno != ECONNRESET)
        why_lost_ = std::string{"reading failed: "} + std::strerror(errno);
      return false;
    }
    input_end_ += static_cast<std::size_t>(n);
    try {
      parse();
    } catch (const std::exception& x) {
      why_lost_ = x.what();
      return false;
    }
    if (static_cast<std::size_t>(n) < space)
      return true; // all that there was
  }
  return true;
}

void connection::parse() {
  const auto self = shared_from_this();
  while (input_end_ - input_begin_ >= sizeof(frame_header)) {
    frame_header head;
    std::memcpy(&head, input_.data() + input_begin_, sizeof(head));
    if (head.length > most_bytes)
      throw error{"a frame of " + std::to_string(head.length)
                  + " bytes is longer than is allowed"};
    if (input_end_ - input_begin_ - sizeof(head) < head.length) {
      if (input_.size() < sizeof(head) + head.length)
        input_.resize(sizeof(head) + head.length);
      break;
    }
    const bytes body{input_.data() + input_begin_ + sizeof(head), head.length};
    listener_.on_frame(self, head, body);
    input_begin_ += sizeof(head) + head.length;
  }
  if (input_begin_ == input_end_)
    input_begin_ = input_end_ = 0;
}

void connection::on_removed() {
  std::vector<std::weak_ptr<port>> woken;
  {
    const std::lock_guard guard{mutex_};
    lost_ = true;
    woken.swap(waiting_);
  }
  listener_.on_lost(shared_from_this(), why_lost_);
  for (auto& x : woken)
    if (auto who = x.lock())
      who->signal(wake::data);
}

} // namespace puma::internal
