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

constexpr std::size_t least_input = 256 * 1024;

/// A leftover of at least this size is not copied.
constexpr std::size_t least_kept = 16 * 1024;

/// Pieces of memory that one call writes.
constexpr std::size_t most_parts = 16;

/// What the kernel may hold of what was sent, so that large values need few
/// turns. (It takes less where the system allows less.)
constexpr int kernel_bytes = 128 * 1024;

/// Of a large body, between hosts, so much is to have come before this side is
/// woken, since TCP brings it in many small parts.
constexpr std::size_t least_asked = 32 * 1024;
constexpr std::size_t most_asked = 256 * 1024;

/// What is read beyond a large body: a few heads of frames.
constexpr std::size_t beyond_sink = 64;

/// Reads per turn of the loop, so that one connection leaves time for others.
constexpr int reads_per_turn = 8;

/// Whether an error says no more than that the other side is gone.
bool is_end(int reason) noexcept {
  return reason == ECONNRESET || reason == ETIMEDOUT || reason == EHOSTUNREACH
         || reason == ENETUNREACH;
}

/// Between hosts the kernel finds out itself how much is good.
///
/// Returns whether the other side is on this host.
bool bound_kernel_bytes(int descriptor) noexcept {
  int family = 0;
  socklen_t size = sizeof(family);
  ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &size);
  if (family == AF_UNIX)
    ::setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &kernel_bytes,
                 sizeof(kernel_bytes));
  return family == AF_UNIX;
}

} // namespace

connection_ptr connection::open(io_loop& loop, int descriptor, listener& to,
                                node_id peer, bool known) {
  auto result = std::make_shared<connection>(loop, descriptor, to, peer);
  result->introduced = known;
  result->handle_ = loop.watch(descriptor, result);
  return result;
}

connection_ptr connection::open_later(io_loop& loop, listener& to,
                                      node_id peer) {
  auto result = std::make_shared<connection>(loop, -1, to, peer);
  result->introduced = true;
  return result;
}

connection::connection(io_loop& loop, int descriptor, listener& to,
                       node_id peer) noexcept
  : loop_(loop),
    listener_(to),
    peer_(peer),
    descriptor_(descriptor) {
  if (descriptor >= 0)
    is_local_ = bound_kernel_bytes(descriptor);
}

void connection::attach(int descriptor) noexcept {
  const bool is_local = bound_kernel_bytes(descriptor);
  const std::lock_guard guard{mutex_};
  is_local_ = is_local;
  if (lost_) {
    ::close(descriptor);
    return;
  }
  try {
    handle_ = loop_.watch(descriptor, shared_from_this());
  } catch (const std::exception&) {
    ::close(descriptor);
    lost_ = true;
    leave();
    return;
  }
  descriptor_ = descriptor;
  loop_.start(handle_);
  if (!backlog_.empty()) {
    handle_->want_write();
  } else if (closing_) {
    lost_ = true;
    leave();
  }
}

void connection::leave() noexcept {
  if (handle_)
    handle_->remove();
  else
    loop_.post([self = shared_from_this()] { self->on_removed(); });
}

// -- sending ------------------------------------------------------------------

void connection::send(std::uint8_t kind, std::uint64_t to, bytes head,
                      bytes body,
                      const std::shared_ptr<const encoder>& keep) noexcept {
  const frame_header header{
    static_cast<std::uint32_t>(head.size() + body.size()), kind, {}, to};
  const bytes parts[] = {std::as_bytes(std::span{&header, 1}), head, body};
  const std::lock_guard guard{mutex_};
  if (lost_ || closing_)
    return;
  bool failed = false;
  auto done = backlog_.empty() && handle_
                ? write(parts, std::size(parts), failed)
                : 0;
  try {
    const bool was_empty = backlog_.empty();
    for (auto& x : parts) {
      const auto skipped = std::min(done, x.size());
      done -= skipped;
      if (skipped != x.size())
        add_leftover(x.subspan(skipped), &x == &parts[2] ? keep : nullptr);
    }
    if (was_empty && !backlog_.empty() && !failed && handle_)
      handle_->want_write();
  } catch (const std::exception&) {
    failed = true; // no memory to keep it: frames would have a hole
  }
  if (failed) {
    lost_ = true;
    leave();
  }
}

void connection::send(link_frame what, buffer_id to, bytes head, bytes body,
                      const std::shared_ptr<const encoder>& keep) noexcept {
  send(static_cast<std::uint8_t>(what), to, head, body, keep);
}

std::size_t connection::write(const bytes* parts, std::size_t count,
                              bool& failed) noexcept {
  iovec vectors[most_parts];
  for (std::size_t i = 0; i != count; ++i)
    vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  for (;;) {
    const auto n = ::sendmsg(descriptor_, &message,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0)
      return static_cast<std::size_t>(n);
    if (errno == EINTR)
      continue;
    // The reading side sees any other error as well, and says so.
    failed = errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS;
    return 0;
  }
}

void connection::add_leftover(bytes rest,
                              const std::shared_ptr<const encoder>& keep) {
  backlog_bytes_ += rest.size();
  if (keep && rest.size() >= least_kept) {
    backlog_.push_back({keep, rest});
    copies_ = nullptr;
    return;
  }
  // Appending may move the memory, so a copy is an entry of its own until the
  // next one comes.
  if (copies_ && copies_->size() < least_kept && backlog_.back().keep == copies_
      && backlog_.back().rest.size() == copies_->size()) {
    copies_->block(rest.data(), rest.size());
    backlog_.back().rest = copies_->bytes();
  } else {
    copies_ = std::make_shared<encoder>();
    copies_->block(rest.data(), rest.size());
    backlog_.push_back({copies_, copies_->bytes()});
  }
  if (keep)
    copies_->keep_as(*keep);
}

bool connection::flush_backlog() noexcept {
  while (!backlog_.empty()) {
    bytes parts[most_parts];
    std::size_t count = 0;
    for (auto i = backlog_.begin(); i != backlog_.end() && count != most_parts;
         ++i)
      parts[count++] = i->rest;
    bool failed = false;
    auto done = write(parts, count, failed);
    if (failed) {
      lost_ = true;
      handle_->remove();
      return true;
    }
    if (done == 0)
      return false;
    backlog_bytes_ -= done;
    while (done != 0) {
      auto& first = backlog_.front();
      const auto n = std::min(done, first.rest.size());
      first.rest = first.rest.subspan(n);
      done -= n;
      if (first.rest.empty())
        backlog_.pop_front();
    }
  }
  copies_ = nullptr;
  return true;
}

bool connection::on_writable() {
  std::vector<std::weak_ptr<port>> woken;
  {
    const std::lock_guard guard{mutex_};
    if (lost_)
      return false;
    const bool all_gone = flush_backlog();
    if (backlog_bytes_ <= congestion_bytes)
      woken.swap(waiting_);
    if (all_gone && closing_ && !std::exchange(lost_, true))
      handle_->remove();
  }
  for (auto& x : woken)
    if (auto who = x.lock())
      who->signal(wake::data);
  // They may have sent more than the socket takes, on this very thread.
  const std::lock_guard guard{mutex_};
  return !lost_ && !backlog_.empty();
}

bool connection::is_congested(const std::shared_ptr<port>& who) {
  const std::lock_guard guard{mutex_};
  if (lost_ || backlog_bytes_ <= congestion_bytes)
    return false;
  waiting_.push_back(who);
  return true;
}

void connection::close_when_sent() noexcept {
  const std::lock_guard guard{mutex_};
  closing_ = true;
  if (!lost_ && backlog_.empty()) {
    lost_ = true;
    leave();
  }
}

void connection::close() noexcept {
  const std::lock_guard guard{mutex_};
  if (!std::exchange(lost_, true))
    leave();
}

bool connection::all_sent() const noexcept {
  const std::lock_guard guard{mutex_};
  return lost_ || backlog_.empty();
}

std::size_t connection::backlog() const noexcept {
  const std::lock_guard guard{mutex_};
  return lost_ ? 0 : backlog_bytes_;
}

bool connection::has_unread() const noexcept {
  const std::lock_guard guard{mutex_};
  pollfd descriptor{descriptor_, POLLIN, 0};
  return !lost_ && ::poll(&descriptor, 1, 0) == 1
         && (descriptor.revents & POLLIN) != 0;
}

// -- receiving ----------------------------------------------------------------

bool connection::on_readable() {
  const bool goes_on = read_some();
  if (goes_on)
    ask_for(sink_left_);
  return goes_on;
}

void connection::ask_for(std::size_t size) noexcept {
  const auto wanted = size < least_asked
                        ? 1
                        : static_cast<int>(std::min(size, most_asked));
  if (is_local_ || wanted == std::exchange(low_water_, wanted))
    return;
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted));
}

bool connection::read_some() {
  for (int i = 0; i != reads_per_turn; ++i) {
    std::size_t space = 0;
    ssize_t got = 0;
    try {
      if (sink_left_ != 0) {
        got = fill_sink(space);
      } else {
        make_space();
        space = input_size_ - input_end_;
        got = ::recv(descriptor_, input_.get() + input_end_, space,
                     MSG_DONTWAIT);
        if (got > 0) {
          input_end_ += static_cast<std::size_t>(got);
          parse();
        }
      }
    } catch (const std::exception& x) {
      why_lost_ = x.what();
      return false;
    }
    if (got == 0)
      return false;
    if (got < 0) {
      if (errno == EINTR)
        continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK)
        return true;
      if (!is_end(errno))
        why_lost_ = std::string{"reading failed: "} + std::strerror(errno);
      return false;
    }
    if (static_cast<std::size_t>(got) < space)
      return true; // all that there was
  }
  return true;
}

/// Reads what is missing of a body, and the begin of what follows: had all of
/// that to go through the buffer, so would the bodies that follow.
ssize_t connection::fill_sink(std::size_t& space) {
  iovec parts[] = {{sink_->prepare(sink_left_), sink_left_},
                   {input_.get(), beyond_sink}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = std::size(parts);
  space = sink_left_ + beyond_sink;
  const auto got = ::recvmsg(descriptor_, &message, MSG_DONTWAIT);
  if (got <= 0)
    return got;
  const auto mine = std::min(sink_left_, static_cast<std::size_t>(got));
  sink_->commit(mine);
  sink_left_ -= mine;
  input_end_ = static_cast<std::size_t>(got) - mine;
  if (input_end_ != 0)
    parse();
  return got;
}

void connection::make_space() {
  if (input_size_ - input_end_ >= least_input / 2)
    return;
  const auto used = input_end_ - input_begin_;
  if (input_size_ - used < least_input / 2) {
    const auto size = std::max(least_input, input_size_ * 2);
    auto larger = std::make_unique_for_overwrite<std::byte[]>(size);
    if (used != 0)
      std::memcpy(larger.get(), input_.get() + input_begin_, used);
    input_ = std::move(larger);
    input_size_ = size;
  } else {
    std::memmove(input_.get(), input_.get() + input_begin_, used);
  }
  input_begin_ = 0;
  input_end_ = used;
}

void connection::parse() {
  const auto self = shared_from_this();
  while (input_end_ - input_begin_ >= sizeof(frame_header)) {
    frame_header head;
    const auto* at = input_.get() + input_begin_;
    std::memcpy(&head, at, sizeof(head));
    if (head.length > most_bytes)
      throw error{"a frame of " + std::to_string(head.length)
                  + " bytes is longer than is allowed"};
    at += sizeof(head);
    const auto there = input_end_ - input_begin_ - sizeof(head);
    if (there < head.length) {
      sink_ = listener_.sink_of(self, head);
      if (!sink_)
        break;
      sink_->block(at, there);
      sink_left_ = head.length - there;
      input_begin_ = input_end_;
      break;
    }
    listener_.on_frame(self, head, {at, head.length});
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
  for (auto& x : woken)
    if (auto who = x.lock())
      who->signal(wake::data);
  listener_.on_lost(shared_from_this(), why_lost_);
}

} // namespace puma::internal
