// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/dialer.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/node_error.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>
#include <random>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace puma::internal {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* logger = "puma.nodes";

/// A try to go on that gets no answer is one of so many that there are time
/// for: what it sent may have been lost.
constexpr int tries_to_resume = 3;

} // namespace

std::array<std::uint64_t, 2> make_token() {
  std::random_device random;
  const auto word = [&] { return (std::uint64_t{random()} << 32u) | random(); };
  return {word(), word()};
}

bool is_passing(const std::exception_ptr& failed) {
  try {
    std::rethrow_exception(failed);
  } catch (const node_unreachable&) {
    return true;
  } catch (const node_silent&) {
    return true;
  } catch (const not_a_node&) {
    return true; // closed meanwhile, as a node that ends does
  } catch (...) {
    return false;
  }
}

dialer::dialer(tls_context* tls)
  : tls_(tls),
    cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (cancel_.get() < 0)
    throw error{std::string{"eventfd failed: "} + std::strerror(errno)};
}

dialer::~dialer() {
  cancel();
}

void dialer::cancel() noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(cancel_.get(), &one, sizeof(one)));
}

bool dialer::pause(std::chrono::milliseconds time) const noexcept {
  pollfd cancelled{cancel_.get(), POLLIN, 0};
  return ::poll(&cancelled, 1, static_cast<int>(time.count())) == 0;
}

std::unique_ptr<channel> dialer::greet(const node_target& whom,
                                       const node_request& what,
                                       const wait_limit& limit,
                                       std::string& answer,
                                       const node_route& route) {
  auto socket = connect_to(whom.where, limit, whom.title);
  limit_silence(socket.get(), whom.silence_limit);
  const auto& expected = whom.host_name.empty() ? whom.where.host
                                                : whom.host_name;
  if (whom.where.tls && tls_ == nullptr)
    throw node_error{whom.title + ": speaks TLS, and this process has no "
                                  "certificate"};
  auto by = whom.where.tls
              ? tls_->connect(std::move(socket), expected, limit, whom.title)
              : plain_channel(std::move(socket), whom.title);
  answer = greeting::introduce(*by, whom.token, what, limit, whom.title, route);
  return by;
}

owned_descriptor dialer::open(const node_target& whom, node_request what,
                              const wait_limit& limit, stream_grace grace) {
  std::string ignored;
  if (!grace)
    return greet(whom, what, limit, ignored)->release(pumps_);
  what.stream = make_token();
  // Longer than here: this side decides.
  what.grace_ms = static_cast<std::uint64_t>(2 * grace->count());
  return make_resumable(whom, greet(whom, what, limit, ignored)->release_end(),
                        what.stream, *grace);
}

// -- connections that break ---------------------------------------------------

owned_descriptor dialer::make_resumable(const node_target& whom,
                                        std::unique_ptr<byte_end> first,
                                        const stream_token& token,
                                        std::chrono::milliseconds grace) {
  node_request what;
  what.what = errand::resume;
  what.stream = token;
  auto stream = std::make_shared<resumable_stream>(
    std::move(first), grace,
    [this, whom, what](resumable_stream& x) { resume(x, whom, what); });
  {
    const std::lock_guard guard{mutex_};
    std::erase_if(streams_, [](const auto& x) { return x.expired(); });
    streams_.push_back(stream);
  }
  return pumps_.connect_locally(resumable_end(std::move(stream)));
}

/// Called by the pump, which can do nothing else as long as the stream is cut.
void dialer::resume(resumable_stream& stream, const node_target& whom,
                    const node_request& what) {
  const auto begin = clock::now();
  const auto since_begin = [begin] {
    return std::to_string(
             std::chrono::ceil<std::chrono::milliseconds>(clock::now() - begin)
               .count())
           + " ms";
  };
  auto wait = least_pause;
  while (const auto until = stream.cut_until()) {
    if (try_to_resume(stream, whom, what, *until)) {
      log(log_level::info, logger,
          whom.title + ": a connection that had broken was resumed after "
            + since_begin());
      return;
    }
    if (clock::now() + wait > *until || !pause(wait))
      break;
    wait = std::min(2 * wait, most_pause);
  }
  stream.give_up();
  log(log_level::info, logger,
      whom.title + ": a connection that had broken was given up after "
        + since_begin());
}

/// Returns false when it has not succeeded; another try may, as long as the
/// stream is cut.
bool dialer::try_to_resume(resumable_stream& stream, const node_target& whom,
                           const node_request& what, clock::time_point until) {
  auto request = what;
  const auto received = stream.take_over();
  if (!received)
    return false;
  request.received = *received;
  try {
    std::string answer;
    const auto now = clock::now();
    const auto share = std::max<clock::duration>(
      (until - now) / tries_to_resume, 2 * least_pause);
    const auto by = greet(whom, request, this->until(now + share), answer);
    std::uint64_t others = 0;
    const auto* const end = answer.data() + answer.size();
    if (std::from_chars(answer.data(), end, others).ptr != end)
      throw not_a_node{whom.title + ": has not said where to go on"};
    stream.resume(by->release_end(), others);
    return true;
  } catch (const connection_refused&) {
    stream.give_up(); // the node has gone
  } catch (...) {
    if (is_passing(std::current_exception()))
      return false;
    stream.give_up();
  }
  return false;
}

void dialer::give_up_broken() {
  std::vector<std::weak_ptr<resumable_stream>> all;
  {
    const std::lock_guard guard{mutex_};
    all.swap(streams_);
  }
  for (const auto& x : all)
    if (const auto stream = x.lock())
      stream->give_up();
}

} // namespace puma::internal
