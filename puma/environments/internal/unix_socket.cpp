// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/unix_socket.hpp"

#include "puma/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <thread>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr int socket_type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

constexpr int backlog = 128;

/// How long to wait before another try to connect.
constexpr std::chrono::milliseconds retry_after{1};

[[noreturn]] void fail(const std::string& what, int reason) {
  throw error{what + ": " + std::strerror(reason)};
}

/// A new socket, closed unless it is released.
class owned_socket {
 public:
  explicit owned_socket(const std::string& what)
    : descriptor_(::socket(AF_UNIX, socket_type, 0)) {
    if (descriptor_ < 0)
      fail(what, errno);
  }

  owned_socket(const owned_socket&) = delete;
  owned_socket& operator=(const owned_socket&) = delete;

  ~owned_socket() {
    if (descriptor_ >= 0)
      ::close(descriptor_);
  }

  [[nodiscard]] int get() const noexcept { return descriptor_; }

  int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

sockaddr_un address_of(const std::string& path, const std::string& what) {
  sockaddr_un result{};
  // An empty path, or one with a leading zero, would not name a file.
  if (path.empty() || path.find('\0') != std::string::npos)
    fail(what, EINVAL);
  if (path.size() >= sizeof(result.sun_path))
    fail(what, ENAMETOOLONG);
  result.sun_family = AF_UNIX;
  path.copy(result.sun_path, path.size());
  return result;
}

} // namespace

int listen_at(const std::string& path) {
  const auto what = "cannot listen at " + path;
  const auto address = address_of(path, what);
  owned_socket result{what};
  // On Linux the file takes the mode of its socket, so that there is no moment
  // in which others could connect.
  if (::fchmod(result.get(), S_IRUSR | S_IWUSR) < 0
      || ::bind(result.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof(address))
           < 0
      || ::listen(result.get(), backlog) < 0)
    fail(what, errno);
  return result.release();
}

int connect_to(const std::string& path,
               std::chrono::steady_clock::time_point deadline) {
  const auto what = "cannot connect to " + path;
  const auto address = address_of(path, what);
  owned_socket result{what};
  while (::connect(result.get(), reinterpret_cast<const sockaddr*>(&address),
                   sizeof(address))
         < 0) {
    // It never is under way: it succeeds at once, or the backlog is full.
    if (errno == ECONNREFUSED || errno == ENOENT)
      return -1;
    if (errno != EAGAIN && errno != EINTR)
      fail(what, errno);
    if (std::chrono::steady_clock::now() >= deadline)
      throw timeout_error{what + ": it does not accept connections in time"};
    std::this_thread::sleep_for(retry_after);
  }
  return result.release();
}

bool same_user(int descriptor) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
    fail("cannot tell whose socket descriptor " + std::to_string(descriptor)
           + " is",
         errno);
  return peer.uid == ::geteuid();
}

std::pair<int, int> socket_pair() {
  int result[2];
  if (::socketpair(AF_UNIX, socket_type, 0, result) < 0)
    fail("cannot make a pair of sockets", errno);
  return {result[0], result[1]};
}

} // namespace puma::internal
