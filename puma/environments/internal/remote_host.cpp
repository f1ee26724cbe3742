// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/remote_host.hpp"

#include "puma/environments/internal/channel.hpp"
#include "puma/environments/internal/node_session.hpp"
#include "puma/environments/node_error.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <future>
#include <random>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace puma::internal {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* logger = "puma.nodes";

constexpr std::chrono::milliseconds least_pause{50};
constexpr std::chrono::milliseconds most_pause{2'000};

/// A session that has not heard of its owner for so many times as long as the
/// owner would wait is alone.
constexpr int session_patience = 2;

session_token make_token() {
  std::random_device random;
  const auto word = [&] { return (std::uint64_t{random()} << 32u) | random(); };
  return {word(), word()};
}

/// A node has nothing to say about workers elsewhere.
void check_worker(node_id id, node_id host) {
  if (host_of(id) != host)
    throw error{"it told of process " + std::to_string(id)
                + ", which is none of its own"};
}

/// Whether another try may end otherwise.
bool is_passing(const std::exception_ptr& x) {
  try {
    std::rethrow_exception(x);
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

} // namespace

remote_host::remote_host(io_loop& loop, node_id number, host_options options,
                         observer& to)
  : loop_(loop),
    number_(number),
    options_(std::move(options)),
    observer_(to),
    tls_(options_.where.tls ? std::make_unique<tls_context>(options_.files)
                            : nullptr),
    log_(options_.name),
    cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    heard_(clock::now()) {
  const signals_blocked no_signals;
  thread_ = std::thread{[this] { run(); }};
}

remote_host::~remote_host() {
  shut_down();
}

void remote_host::shut_down() {
  close();
  {
    const std::lock_guard guard{mutex_};
    if (std::exchange(ending_, true))
      return;
    changed_.notify_all();
  }
  const std::uint64_t one = 1;
  static_cast<void>(!::write(cancel_.get(), &one, sizeof(one)));
  thread_.join();
  std::unique_lock lock{mutex_};
  constexpr std::chrono::seconds patience{2};
  if (changed_.wait_for(lock, patience, [this] { return watched_ == 0; }))
    return;
  if (session_)
    session_->close();
  changed_.wait_for(lock, patience, [this] { return watched_ == 0; });
}

bool remote_host::is_connected() const {
  const std::lock_guard guard{mutex_};
  return session_ && ready_;
}

bool remote_host::is_promising() const {
  const std::lock_guard guard{mutex_};
  return !has_failed_;
}

void remote_host::connect() {
  auto result = std::make_shared<std::promise<void>>();
  auto done = result->get_future();
  job x;
  x.is_once = true;
  x.then = [result](owned_descriptor, const std::exception_ptr& failed) {
    if (failed)
      result->set_exception(failed);
    else
      result->set_value();
  };
  add(std::move(x));
  done.get();
}

void remote_host::dial(const node_request& what, dialed then) {
  add({what, what.what != errand::worker, std::move(then)});
}

void remote_host::add(job x) {
  {
    const std::lock_guard guard{mutex_};
    if (!ending_) {
      jobs_.push_back(std::move(x));
      changed_.notify_all();
      return;
    }
  }
  x.then(owned_descriptor{}, std::make_exception_ptr(node_error{
                               "node '" + name() + "': the runtime ends"}));
}

void remote_host::kill(node_id worker) {
  send(static_cast<std::uint8_t>(session_frame::kill), worker, encoder{});
}

void remote_host::bridge(owned_descriptor a, owned_descriptor b) {
  auto first = socket_end(a.release());
  pumps_.connect(std::move(first), socket_end(b.release()));
}

void remote_host::close() {
  send(static_cast<std::uint8_t>(session_frame::exit), 0, encoder{});
}

void remote_host::send(std::uint8_t what, node_id to, const encoder& body) {
  const std::lock_guard guard{mutex_};
  if (session_)
    session_->send(what, to, {}, body.bytes());
}

// -- making connections -------------------------------------------------------

void remote_host::run() {
  for (;;) {
    job next;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
      if (jobs_.empty())
        return;
      next = std::move(jobs_.front());
      jobs_.pop_front();
    }
    try {
      fulfill(next);
    } catch (...) {
      next.then(owned_descriptor{}, std::current_exception());
    }
  }
}

void remote_host::fulfill(job& x) {
  if (x.what.what == errand::resume)
    return resume(x);
  const bool is_session = x.what.what == errand::session;
  if (is_session || x.what.what == errand::worker) {
    if (x.is_once) {
      if (const auto failed = try_to_connect())
        std::rethrow_exception(failed);
    } else {
      try_until(clock::now() + options_.reconnect_timeout);
    }
  }
  if (is_session)
    return x.then(owned_descriptor{}, nullptr);
  {
    const std::lock_guard guard{mutex_};
    if (!session_ || !ready_)
      throw node_unreachable{"node '" + name() + "': the connection is lost"};
    x.what.session = token_;
  }
  auto made = open_in_time(x.what);
  x.then(std::move(made), nullptr);
}

owned_descriptor remote_host::open_in_time(const node_request& what) {
  const wait_limit limit{clock::now() + options_.connect_timeout,
                         cancel_.get()};
  for (auto wait = least_pause;; wait = std::min(2 * wait, most_pause)) {
    std::exception_ptr failed;
    try {
      return open(what, limit);
    } catch (const closed_early&) {
      // Too many others came at once.
      failed = std::current_exception();
    }
    if (clock::now() + wait > limit.deadline || !is_connected() || !pause(wait))
      std::rethrow_exception(failed);
  }
}

owned_descriptor remote_host::open(node_request what, const wait_limit& limit) {
  std::string ignored;
  if (!options_.resume)
    return greet(what, limit, ignored)->release(pumps_);
  what.stream = make_token();
  what.grace_ms = static_cast<std::uint64_t>(session_patience
                                             * grace().count());
  return make_resumable(greet(what, limit, ignored)->release_end(),
                        what.stream);
}

std::unique_ptr<channel> remote_host::greet(const node_request& what,
                                            const wait_limit& limit,
                                            std::string& answer) {
  const auto title = "node '" + name() + "'";
  auto socket = connect_to(options_.where, limit, title);
  const auto& expected = options_.host_name.empty() ? options_.where.host
                                                    : options_.host_name;
  auto by = tls_ ? tls_->connect(std::move(socket), expected, limit, title)
                 : plain_channel(std::move(socket), title);
  answer = greeting::introduce(*by, options_.token, what, limit, title);
  return by;
}

// -- connections that break ---------------------------------------------------

std::chrono::milliseconds remote_host::grace() const {
  return options_.answer_timeout.count() != 0 ? options_.answer_timeout
                                              : options_.reconnect_timeout;
}

owned_descriptor remote_host::make_resumable(std::unique_ptr<byte_end> first,
                                             const stream_token& token) {
  // Known to what is called when it is cut, which is not before there is a
  // pump.
  const auto self = std::make_shared<std::weak_ptr<resumable_stream>>();
  auto stream = std::make_shared<resumable_stream>(
    std::move(first), grace(), [this, self, token] {
      job x;
      x.what.what = errand::resume;
      x.what.stream = token;
      x.stream = *self;
      x.then = [](owned_descriptor, const std::exception_ptr&) {
        // Of no use: the runtime ends.
      };
      add(std::move(x));
    });
  *self = stream;
  {
    const std::lock_guard guard{mutex_};
    std::erase_if(streams_, [](const auto& x) { return x.expired(); });
    streams_.push_back(stream);
  }
  return pumps_.connect_locally(resumable_end(std::move(stream)));
}

void remote_host::resume(const job& x) {
  const auto stream = x.stream.lock();
  const auto begin = clock::now();
  auto wait = least_pause;
  while (const auto until = stream ? stream->cut_until() : std::nullopt) {
    if (try_to_resume(*stream, x.what, *until)) {
      log(log_level::info, logger,
          "node '" + name()
            + "': a connection that had broken was resumed after "
            + std::to_string(
              std::chrono::ceil<std::chrono::milliseconds>(clock::now() - begin)
                .count())
            + " ms");
      return;
    }
    if (clock::now() + wait > *until || !pause(wait))
      return stream->give_up();
    wait = std::min(2 * wait, most_pause);
  }
}

/// Returns false when it has not succeeded; another try may, as long as the
/// stream is cut.
bool remote_host::try_to_resume(resumable_stream& stream,
                                const node_request& what,
                                clock::time_point until) {
  auto request = what;
  const auto received = stream.take_over();
  if (!received)
    return false;
  request.received = *received;
  try {
    std::string answer;
    // Others wait for their turn, which would be of no use later, either.
    const auto limit = std::min(clock::now() + options_.connect_timeout, until);
    const auto by = greet(request, {limit, cancel_.get()}, answer);
    std::uint64_t others = 0;
    const auto* const end = answer.data() + answer.size();
    if (std::from_chars(answer.data(), end, others).ptr != end)
      throw not_a_node{"node '" + name() + "': has not said where to go on"};
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

void remote_host::give_up_streams() {
  std::vector<std::weak_ptr<resumable_stream>> all;
  {
    const std::lock_guard guard{mutex_};
    all.swap(streams_);
  }
  for (const auto& x : all)
    if (const auto stream = x.lock())
      stream->give_up();
}

std::exception_ptr remote_host::try_to_connect() {
  if (is_connected())
    return nullptr;
  try {
    const wait_limit limit{clock::now() + options_.connect_timeout,
                           cancel_.get()};
    node_request what;
    what.session = make_token();
    what.silence_limit_ms = static_cast<std::uint64_t>(
      session_patience * options_.answer_timeout.count());
    auto socket = open(what, limit);
    std::unique_lock lock{mutex_};
    ready_ = false;
    why_lost_.clear();
    token_ = what.session;
    told_levels_ = 0;
    ++watched_;
    session_ = connection::open(loop_, socket.release(), *this, owner_node,
                                true);
    session_->begin();
    const auto over = [this] { return ending_ || ready_ || !session_; };
    if (!changed_.wait_until(lock, limit.deadline, over) || ending_) {
      if (session_)
        session_->close();
      session_ = nullptr;
      throw node_silent{"node '" + name()
                        + "': accepted the connection, but did not begin to "
                          "work in time"};
    }
    if (!session_)
      throw node_error{"node '" + name() + "': could not begin to work"
                       + (why_lost_.empty() ? "" : ": " + why_lost_)
                       + "; its log says why"};
    heard_ = clock::now();
    has_failed_ = false;
    lock.unlock();
    log(log_level::info, logger,
        "node '" + name() + "': connected to " + options_.where.to_string());
    return nullptr;
  } catch (const closed_early& x) {
    const std::lock_guard guard{mutex_};
    has_failed_ = true;
    return std::make_exception_ptr(not_a_node{x.what()}); // which users know
  } catch (...) {
    const std::lock_guard guard{mutex_};
    has_failed_ = true;
    return std::current_exception();
  }
}

void remote_host::try_until(clock::time_point deadline) {
  auto wait = least_pause;
  while (const auto failed = try_to_connect()) {
    if (!is_passing(failed) || clock::now() + wait > deadline || !pause(wait))
      std::rethrow_exception(failed);
    wait = std::min(2 * wait, most_pause);
  }
}

bool remote_host::pause(std::chrono::milliseconds time) const {
  pollfd cancelled{cancel_.get(), POLLIN, 0};
  return ::poll(&cancelled, 1, static_cast<int>(time.count())) == 0;
}

// -- the session --------------------------------------------------------------

void remote_host::tick(const silence& judge) {
  const auto now = clock::now();
  connection_ptr session;
  bool is_lost = false;
  {
    const std::lock_guard guard{mutex_};
    if (!session_ || !ready_)
      return;
    session = session_;
    is_lost = options_.answer_timeout.count() != 0
              && judge.since(heard_, now) > options_.answer_timeout;
  }
  if (is_lost && !session->has_unread())
    return lose("it did not answer for "
                + std::to_string(options_.answer_timeout.count()) + " ms");
  send(static_cast<std::uint8_t>(session_frame::ping), 0, encoder{});
  const auto generation = log_.generation();
  {
    const std::lock_guard guard{mutex_};
    if (generation == told_levels_ || generation % 2 != 0)
      return;
    told_levels_ = generation;
  }
  encoder body;
  encode(body, log_.levels());
  send(static_cast<std::uint8_t>(session_frame::levels), 0, body);
}

void remote_host::lose(const std::string& why) {
  const std::lock_guard guard{mutex_};
  why_lost_ = why;
  if (session_)
    session_->close();
}

void remote_host::on_frame(const connection_ptr& from, const frame_header& head,
                           connection::bytes body) {
  decoder in{body};
  const auto id = static_cast<node_id>(head.to);
  {
    const std::lock_guard guard{mutex_};
    if (from != session_)
      return;
    heard_ = clock::now();
  }
  switch (static_cast<session_frame>(head.kind)) {
  case session_frame::ready: {
    const std::lock_guard guard{mutex_};
    if (std::exchange(ready_, true))
      throw error{"it began twice"};
    encoder levels;
    told_levels_ = log_.generation();
    encode(levels, log_.levels());
    session_->send(static_cast<std::uint8_t>(session_frame::levels), 0, {},
                   levels.bytes());
    changed_.notify_all();
    return;
  }
  case session_frame::pong:
    break;
  case session_frame::line:
    log_.add(in);
    break;
  case session_frame::started:
    check_worker(id, number_);
    observer_.on_remote_started(id, in.number<pid_t>());
    break;
  case session_frame::ended: {
    process_exit how;
    how.code = in.number<int>();
    how.signaled = in.number<bool>();
    how.core = in.number<bool>();
    check_worker(id, number_);
    observer_.on_remote_ended(id, how);
    break;
  }
  default:
    throw error{"unknown frame " + std::to_string(head.kind)};
  }
  if (!in.ok())
    throw error{"a frame that cannot be read: " + in.error()};
}

std::shared_ptr<encoder> remote_host::sink_of(const connection_ptr&,
                                              const frame_header&) {
  return nullptr;
}

void remote_host::on_lost(const connection_ptr& who, const std::string& why) {
  bool was_ready = false;
  std::string reason;
  {
    const std::lock_guard guard{mutex_};
    if (session_ == who) {
      session_ = nullptr;
      has_failed_ = true;
      was_ready = std::exchange(ready_, false) && !ending_;
      if (why_lost_.empty())
        why_lost_ = why.empty() ? "the node has ended" : why;
      reason = why_lost_;
    }
  }
  if (was_ready)
    observer_.on_host_lost(number_, reason);
  give_up_streams();
  const std::lock_guard guard{mutex_};
  --watched_;
  changed_.notify_all();
}

} // namespace puma::internal
