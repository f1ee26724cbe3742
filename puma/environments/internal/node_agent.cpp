// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/node_agent.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/handover.hpp"
#include "puma/environments/internal/node_session.hpp"
#include "puma/environments/node_error.hpp"
#include "puma/logging/log.hpp"
#include "puma/logging/logging.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <iostream>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace puma::internal {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* logger = "puma.node";

/// Refusals in that time make one line.
constexpr std::chrono::seconds report_interval{1};

/// How long a node tries to reach another. Who waits has another way.
constexpr std::chrono::seconds reach_timeout{2};

/// So many it tries to reach at a time.
constexpr std::size_t most_reaching = 64;

/// Whoever may come in does not keep what it has left for longer than an hour.
std::chrono::milliseconds limited(std::uint64_t milliseconds) {
  constexpr std::uint64_t most = 3'600'000;
  return std::chrono::milliseconds{std::min(milliseconds, most)};
}

/// Of a connection between nodes. Whom an owner watches needs none.
std::chrono::milliseconds silence_limit_of(const node_request& x) {
  return x.what == errand::link || x.what == errand::reach
             || x.what == errand::resume
           ? limited(x.silence_limit_ms)
           : std::chrono::milliseconds{0};
}

/// How long the node waits when it has no descriptor left for who connects.
constexpr int scarcity_milliseconds = 20;

} // namespace

node_agent::node_agent(agent_options options)
  : options_(std::move(options)),
    tls_(options_.where.tls ? std::make_unique<tls_context>(options_.files)
                            : nullptr),
    dialer_(tls_.get()),
    launcher_(std::make_unique<launcher>()) {
  if (!options_.where.tls && !options_.insecure)
    throw usage_error{
      "node: " + options_.where.to_string()
      + ": without TLS anybody in the network can read and change what goes "
        "over it; say --puma-insecure if that is what you want"};
  listening_ = listen_at(options_.where);
  if (!options_.where.tls)
    log(log_level::warning, logger,
        address().to_string()
          + ": without TLS; anybody in the network can read and change what "
            "goes over it"
          + (options_.token.empty() ? ", and run code here" : ""));
}

node_agent::~node_agent() {
  dialer_.cancel();
  std::list<guest> left;
  {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return live_guests_ == 0; });
    left.swap(guests_);
  }
  for (auto& x : left)
    x.thread.join();
  report_refusals(true);
  launcher_.reset();
}

net_address node_agent::address() const {
  return bound_address(listening_.get(), options_.where);
}

void node_agent::serve(int stop) {
  const signals_blocked no_signals;
  for (;;) {
    pollfd watched[] = {{listening_.get(), POLLIN, 0}, {stop, POLLIN, 0}};
    constexpr int second = 1'000;
    if (::poll(watched, std::size(watched), second) < 0 && errno != EINTR)
      throw error{std::string{"node: poll failed: "} + std::strerror(errno)};
    if (watched[1].revents != 0)
      return;
    report_refusals(false);
    if (watched[0].revents == 0)
      continue;
    owned_descriptor socket{accept_from(listening_.get())};
    if (socket.get() >= 0) {
      admit(std::move(socket));
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS
               || errno == ENOMEM) {
      note_refusal("somebody", std::strerror(errno));
      pollfd stopped{stop, POLLIN, 0};
      ::poll(&stopped, 1, scarcity_milliseconds);
    }
  }
}

// -- guests -------------------------------------------------------------------

void node_agent::admit(owned_descriptor socket) {
  std::list<guest> done;
  {
    std::unique_lock lock{mutex_};
    for (auto i = guests_.begin(); i != guests_.end();) {
      const auto x = i++;
      if (x->done)
        done.splice(done.end(), guests_, x);
    }
    if (being_greeted_ >= options_.most_greetings)
      send_away_one();
    changed_.wait(
      lock, [this] { return being_greeted_ < 2 * options_.most_greetings; });
    auto& x = guests_.emplace_back();
    x.duplicate = owned_descriptor{::fcntl(socket.get(), F_DUPFD_CLOEXEC, 0)};
    ++being_greeted_;
    ++live_guests_;
    try {
      x.thread = std::thread{[this, &x, own = std::move(socket)]() mutable {
        greet(x, std::move(own));
      }};
    } catch (const std::exception& failed) {
      guests_.pop_back();
      --being_greeted_;
      --live_guests_;
      lock.unlock();
      note_refusal("somebody", failed.what());
    }
  }
  for (auto& x : done)
    x.thread.join();
}

/// One of those that are being greeted, by chance: if it were the oldest, who
/// comes often enough could keep all others out.
void node_agent::send_away_one() {
  std::vector<guest*> all;
  for (auto& x : guests_)
    if (x.duplicate.get() >= 0)
      all.push_back(&x);
  if (all.empty())
    return;
  auto& chosen = *all[std::uniform_int_distribution<std::size_t>{
    0, all.size() - 1}(random_)];
  // Its thread notices, and says so.
  ::shutdown(chosen.duplicate.get(), SHUT_RDWR);
  chosen.duplicate = owned_descriptor{};
}

void node_agent::greet(guest& who, owned_descriptor socket) {
  const auto from = peer_address(socket.get());
  const auto forget = [&] {
    const std::lock_guard guard{mutex_};
    who.duplicate = owned_descriptor{};
    if (!std::exchange(who.is_greeted, true))
      --being_greeted_;
    changed_.notify_all();
  };
  std::unique_ptr<channel> by;
  try {
    const auto limit = dialer_.until(clock::now() + options_.greeting_timeout);
    const std::string name = "who connected";
    by = tls_ ? tls_->accept(std::move(socket), limit, name)
              : plain_channel(std::move(socket), name);
    greeting::welcome welcome{*by, options_.token, limit};
    forget();
    let_in(welcome, *by);
  } catch (const std::exception& failed) {
    forget();
    note_refusal(from, failed.what());
  }
  by.reset();
  const std::lock_guard guard{mutex_};
  who.done = true;
  --live_guests_;
  changed_.notify_all();
}

void node_agent::let_in(greeting::welcome& who, channel& by) {
  const auto& request = who.request();
  if (request.what == errand::resume)
    return resume(who, by);
  if (request.what == errand::session) {
    who.answer(node_verdict::accepted, {});
    start_session(request, take_over(request, by));
    return;
  }
  std::shared_ptr<session> known;
  {
    const std::lock_guard guard{mutex_};
    if (const auto i = sessions_.find(request.session); i != sessions_.end())
      known = i->second;
  }
  if (!known) {
    who.answer(node_verdict::unknown_session, {});
    return;
  }
  who.answer(node_verdict::accepted, {});
  if (request.what == errand::reach)
    return reach(request, who.route(), *known);
  limit_silence(by.descriptor(), silence_limit_of(request));
  const auto descriptor = take_over(request, by);
  hand_over(known->handovers.get(), request, descriptor.get());
}

owned_descriptor node_agent::take_over(const node_request& request,
                                       channel& by) {
  if (request.stream == stream_token{})
    return by.release(dialer_.pumps());
  auto stream = std::make_shared<resumable_stream>(
    by.release_end(), limited(request.grace_ms), nullptr);
  {
    const std::lock_guard guard{mutex_};
    std::erase_if(streams_, [](const auto& x) { return x.second.expired(); });
    streams_[request.stream] = stream;
  }
  return dialer_.pumps().connect_locally(resumable_end(std::move(stream)));
}

void node_agent::resume(greeting::welcome& who, channel& by) {
  std::shared_ptr<resumable_stream> stream;
  {
    const std::lock_guard guard{mutex_};
    if (const auto i = streams_.find(who.request().stream); i != streams_.end())
      stream = i->second.lock();
  }
  const auto received = stream ? stream->take_over() : std::nullopt;
  if (!received) {
    who.answer(node_verdict::unknown_stream, {});
    return;
  }
  who.answer(node_verdict::accepted, std::to_string(*received));
  limit_silence(by.descriptor(), silence_limit_of(who.request()));
  stream->resume(by.release_end(), who.request().received);
}

/// Whether it succeeds is told to the worker that waits for it.
void node_agent::reach(const node_request& request, const node_route& route,
                       const session& from) {
  node_request back;
  back.what = errand::unreached;
  back.session = request.session;
  back.worker = request.worker;
  back.slot = request.slot;
  owned_descriptor made;
  try {
    if (++reaching_ <= most_reaching) {
      made = dial(request, route);
      back.what = errand::answer;
    }
  } catch (const std::exception& failed) {
    log(log_level::info, logger,
        std::string{failed.what()} + "; the owner connects the two");
  }
  --reaching_;
  hand_over(from.handovers.get(), back, made.get());
}

owned_descriptor node_agent::dial(const node_request& request,
                                  const node_route& route) {
  node_target whom;
  whom.where = net_address::parse(route.address);
  whom.host_name = route.host_name;
  whom.token = options_.token;
  whom.title = "node at " + route.address;
  whom.silence_limit = silence_limit_of(request);
  if (whom.where.tls != options_.where.tls)
    throw usage_error{whom.title + ": this node is reached by "
                      + (options_.where.tls ? "tls://" : "tcp://")
                      + ", and reaches others only in the same way"};
  node_request what;
  what.what = errand::link;
  what.session = route.session;
  what.worker = route.worker;
  what.silence_limit_ms = request.silence_limit_ms;
  return dialer_.open(whom, what, dialer_.until(clock::now() + reach_timeout),
                      request.grace_ms != 0
                        ? stream_grace{limited(request.grace_ms)}
                        : std::nullopt);
}

void node_agent::start_session(const node_request& request,
                               owned_descriptor owner) {
  auto [mine, theirs] = handover_pair();
  auto made = std::make_shared<session>();
  made->handovers = std::move(mine);
  {
    const std::lock_guard guard{mutex_};
    if (!sessions_.emplace(request.session, made).second)
      throw node_error{"a session of that number exists already"};
  }
  session_options how;
  how.parent = ::getpid();
  how.silence_limit_ms = request.silence_limit_ms;
  const auto forget = [this, key = request.session] {
    const std::lock_guard guard{mutex_};
    sessions_.erase(key);
  };
  try {
    const auto pid = launcher_->start(
      how.arguments(), {{owner.get(), theirs.get()}, -1, -1},
      [forget](const process_exit& end) {
        forget();
        log(end.signaled || end.code != 0 ? log_level::warning
                                          : log_level::info,
            logger, "a session " + end.describe());
      });
    log(log_level::info, logger,
        "session of process " + std::to_string(pid) + " has begun");
  } catch (...) {
    forget();
    throw;
  }
}

// -- refusals -----------------------------------------------------------------

void node_agent::note_refusal(const std::string& from, const std::string& why) {
  {
    const std::lock_guard guard{refusals_mutex_};
    ++refusals_;
    last_refusal_ = from + ": " + why;
  }
  report_refusals(false);
}

void node_agent::report_refusals(bool at_once) {
  std::string text;
  {
    const std::lock_guard guard{refusals_mutex_};
    const auto now = clock::now();
    if (refusals_ == 0 || (!at_once && now < next_report_))
      return;
    next_report_ = now + report_interval;
    text = "refused " + std::to_string(std::exchange(refusals_, 0))
           + " connections, the last one from " + last_refusal_;
  }
  log(log_level::warning, logger, text);
}

int run_agent(agent_options options) {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGINT);
  sigaddset(&watched, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  const owned_descriptor signals{::signalfd(-1, &watched, SFD_CLOEXEC)};
  try {
    node_agent self{std::move(options)};
    std::cout << "puma node ready: " << self.address().to_string() << std::endl;
    self.serve(signals.get());
    log(log_level::info, logger, "the node ends");
  } catch (const std::exception& failed) {
    log(log_level::error, logger, failed.what());
    logging::flush();
    return 1;
  }
  logging::flush();
  return 0;
}

} // namespace puma::internal
