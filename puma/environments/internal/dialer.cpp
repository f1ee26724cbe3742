// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/dialer.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/node_error.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
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

/// A node may be back any moment, and there is not much time.
constexpr std::chrono::milliseconds most_pause_to_resume{250};

/// Gives back what was acquired.
template <class Semaphore>
class turn {
 public:
  explicit turn(Semaphore& of) noexcept : of_(of) {}
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  ~turn() { of_.release(); }

 private:
  Semaphore& of_;
};

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

bool dialer::pause_about(std::chrono::milliseconds time) {
  std::chrono::milliseconds chosen;
  {
    // Those who were sent away together are not to come back together.
    const std::lock_guard guard{mutex_};
    chosen = std::chrono::milliseconds{
      std::uniform_int_distribution<std::chrono::milliseconds::rep>{
        time.count() / 2, time.count()}(random_)};
  }
  return pause(chosen);
}

std::unique_ptr<channel> dialer::greet(const node_target& whom,
                                       const node_request& what,
                                       const wait_limit& limit,
                                       std::string& answer,
                                       const node_route& route) {
  for (auto wait = least_pause;; wait = std::min(2 * wait, most_pause)) {
    std::exception_ptr failed;
    try {
      return greet_once(whom, what, limit, answer, route);
    } catch (const closed_early&) {
      failed = std::current_exception();
    }
    if (what.what == errand::session || clock::now() + wait > limit.deadline
        || !pause_about(wait))
      std::rethrow_exception(failed);
  }
}

std::unique_ptr<channel> dialer::greet_once(const node_target& whom,
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
  what.silence_limit_ms = static_cast<std::uint64_t>(
    whom.silence_limit.count());
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
  for (;;) {
    const auto until = stream.cut_until();
    if (!until || clock::now() >= *until)
      break;
    const auto result = try_to_resume(stream, whom, what, *until);
    if (result == attempt::succeeded) {
      log(log_level::info, logger,
          whom.title + ": a connection that had broken was resumed after "
            + since_begin());
      return;
    }
    if (result == attempt::is_over || clock::now() + wait > *until
        || !pause_about(wait))
      break;
    wait = std::min(2 * wait, most_pause_to_resume);
  }
  stream.give_up();
  log(log_level::info, logger,
      whom.title + ": a connection that had broken was given up after "
        + since_begin());
}

dialer::attempt dialer::try_to_resume(resumable_stream& stream,
                                      const node_target& whom,
                                      const node_request& what,
                                      clock::time_point until) {
  auto request = what;
  const auto received = stream.take_over();
  if (!received)
    return attempt::is_over;
  request.received = *received;
  if (!resuming_.try_acquire_until(until))
    return attempt::is_over;
  const turn own{resuming_};
  try {
    std::string answer;
    const auto now = clock::now();
    const auto share = std::max<clock::duration>(
      (until - now) / tries_to_resume, 2 * least_pause);
    const auto by = greet(whom, request, this->until(now + share), answer);
    std::uint64_t others = 0;
    const auto* const end = answer.data() + answer.size();
    if (std::from_chars(answer.data(), end, others).ptr != end)
      return attempt::is_over; // it has not said where to go on
    stream.resume(by->release_end(), others);
    return attempt::succeeded;
  } catch (const connection_refused&) {
    return attempt::is_over; // the node has gone
  } catch (...) {
    return is_passing(std::current_exception()) ? attempt::failed
                                                : attempt::is_over;
  }
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
