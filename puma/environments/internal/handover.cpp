// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/handover.hpp"

#include "puma/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <type_traits>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

namespace puma::internal {

namespace {

static_assert(std::is_trivially_copyable_v<node_request>);

constexpr int dgram = SOCK_DGRAM | SOCK_CLOEXEC;

[[noreturn]] void fail(const std::string& what) {
  throw error{what + ": " + std::strerror(errno)};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un result{};
  if (path.size() >= sizeof(result.sun_path)) {
    errno = ENAMETOOLONG;
    fail("cannot use " + path);
  }
  result.sun_family = AF_UNIX;
  path.copy(result.sun_path, path.size());
  return result;
}

void limit_sending(int socket) noexcept {
  const timeval second{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof(second));
}

struct alignas(cmsghdr) rights_space {
  char bytes[CMSG_SPACE(sizeof(int))];
};

void send(int socket, const sockaddr_un* to, const node_request& request,
          int descriptor) {
  auto body = request;
  iovec part{&body, sizeof(body)};
  rights_space rights{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (to != nullptr) {
    message.msg_name = const_cast<sockaddr_un*>(to);
    message.msg_namelen = sizeof(*to);
  }
  if (descriptor >= 0) {
    message.msg_control = rights.bytes;
    message.msg_controllen = sizeof(rights.bytes);
    auto* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof(descriptor));
  }
  ssize_t n = 0;
  do {
    n = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0)
    fail("cannot hand over a connection");
}

} // namespace

owned_descriptor receive_handovers_at(const std::string& path) {
  const auto what = "cannot receive at " + path;
  const auto address = address_of(path);
  owned_descriptor result{::socket(AF_UNIX, dgram | SOCK_NONBLOCK, 0)};
  // On Linux the file takes the mode of its socket.
  if (result.get() < 0 || ::fchmod(result.get(), S_IRUSR | S_IWUSR) < 0
      || ::bind(result.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address))
           < 0)
    fail(what);
  return result;
}

void hand_over(const std::string& path, const node_request& request,
               int descriptor) {
  const auto address = address_of(path);
  const owned_descriptor socket{::socket(AF_UNIX, dgram, 0)};
  if (socket.get() < 0)
    fail("no socket to hand over a connection");
  limit_sending(socket.get());
  send(socket.get(), &address, request, descriptor);
}

void hand_over(int socket, const node_request& request, int descriptor) {
  send(socket, nullptr, request, descriptor);
}

std::pair<owned_descriptor, owned_descriptor> handover_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    fail("no pair of sockets to hand over connections");
  for (const int x : ends)
    limit_sending(x);
  return {owned_descriptor{ends[0]}, owned_descriptor{ends[1]}};
}

std::optional<handover> take_handover(int socket, bool& is_over) {
  is_over = false;
  handover result;
  iovec part{&result.request, sizeof(result.request)};
  rights_space rights{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = rights.bytes;
  message.msg_controllen = sizeof(rights.bytes);
  const auto n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n <= 0) {
    is_over = n == 0
              || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
    return std::nullopt;
  }
  for (auto* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
      continue;
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(head), sizeof(descriptor));
    result.descriptor = owned_descriptor{descriptor};
  }
  if (n != sizeof(result.request))
    return std::nullopt;
  if (result.descriptor.get() < 0) {
    // There may have been none left for it: then another way may be found.
    if (result.request.what == errand::answer)
      result.request.what = errand::unreached;
    if (result.request.what != errand::unreached)
      return std::nullopt;
  }
  return result;
}

} // namespace puma::internal
