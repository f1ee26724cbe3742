// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/remote_host.hpp"

#include "puma/environments/internal/channel.hpp"
#include "puma/environments/internal/node_session.hpp"
#include "puma/environments/node_error.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <cstdint>
#include <future>
#include <utility>

namespace puma::internal {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* logger = "puma.nodes";

/// A session that has not heard of its owner for so many times as long as the
/// owner would wait is alone.
constexpr int session_patience = 2;

/// A node has nothing to say about workers elsewhere.
void check_worker(node_id id, node_id host) {
  if (host_of(id) != host)
    throw error{"it told of process " + std::to_string(id)
                + ", which is none of its own"};
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
    target_{options_.where, options_.host_name, options_.token,
            "node '" + options_.name + "'"},
    log_(options_.name),
    heard_(clock::now()),
    dialer_(tls_.get()) {
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
  dialer_.cancel();
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
  if (is_connected())
    return;
  const auto until = clock::now() + options_.connect_timeout;
  auto result = std::make_shared<std::promise<void>>();
  auto done = result->get_future();
  job x;
  x.until = until;
  x.whose = result.get();
  x.then = [result](owned_descriptor, const std::exception_ptr& failed) {
    if (failed)
      result->set_exception(failed);
    else
      result->set_value();
  };
  add(std::move(x));
  if (done.wait_until(until) == std::future_status::ready
      || !withdraw(result.get()))
    return done.get();
}

bool remote_host::withdraw(const void* whose) {
  const std::lock_guard guard{mutex_};
  if (std::erase_if(jobs_, [&](auto& x) { return x.whose == whose; }) == 0)
    return false;
  if (session_ && ready_)
    return true;
  if (last_error_)
    std::rethrow_exception(last_error_);
  throw node_silent{"node '" + name() + "': has not answered within "
                    + std::to_string(options_.connect_timeout.count()) + " ms"};
}

void remote_host::dial(const node_request& what, dialed then) {
  add({.what = what, .then = std::move(then)});
}

void remote_host::reach(const node_request& for_whom, const node_route& route,
                        dialed then) {
  add({.what = for_whom, .then = std::move(then), .route = route});
}

std::optional<node_route> remote_host::route_to(node_id worker,
                                                const remote_host& from) const {
  // Behind the back of TLS nothing goes by another way.
  if (options_.where.tls != from.options_.where.tls)
    return std::nullopt;
  const std::lock_guard guard{mutex_};
  if (!session_ || !ready_)
    return std::nullopt;
  return node_route{options_.where.to_string(), options_.host_name, token_,
                    worker};
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
  dialer_.pumps().connect(std::move(first), socket_end(b.release()));
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
  const bool is_session = x.what.what == errand::session;
  if (is_session || x.what.what == errand::worker) {
    if (!is_session)
      try_until(clock::now() + options_.reconnect_timeout);
    else if (const auto failed = try_to_connect(x.until))
      std::rethrow_exception(failed);
  }
  if (is_session)
    return x.then(owned_descriptor{}, nullptr);
  {
    const std::lock_guard guard{mutex_};
    if (!session_ || !ready_)
      throw node_unreachable{"node '" + name() + "': the connection is lost"};
    x.what.session = token_;
  }
  if (x.what.what == errand::reach) {
    ask_to_reach(x);
    return x.then(owned_descriptor{}, nullptr);
  }
  auto made = open(x.what,
                   dialer_.until(clock::now() + options_.connect_timeout));
  x.then(std::move(made), nullptr);
}

owned_descriptor remote_host::open(const node_request& what,
                                   const wait_limit& limit) {
  return dialer_.open(target_, what, limit, grace());
}

void remote_host::ask_to_reach(const job& x) {
  auto what = x.what;
  what.silence_limit_ms = static_cast<std::uint64_t>(
    session_patience * options_.answer_timeout.count());
  if (const auto time = grace())
    what.grace_ms = static_cast<std::uint64_t>(time->count());
  std::string ignored;
  dialer_.greet(target_, what,
                dialer_.until(clock::now() + options_.connect_timeout), ignored,
                x.route);
}

stream_grace remote_host::grace() const {
  if (!options_.resume)
    return std::nullopt;
  return options_.answer_timeout.count() != 0 ? options_.answer_timeout
                                              : options_.reconnect_timeout;
}

std::exception_ptr remote_host::try_to_connect(clock::time_point deadline) {
  if (is_connected())
    return nullptr;
  const auto note = [this](const std::exception_ptr& failed) {
    const std::lock_guard guard{mutex_};
    has_failed_ = true;
    last_error_ = failed;
    return failed;
  };
  try {
    const auto limit = dialer_.until(deadline);
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
    last_error_ = nullptr;
    lock.unlock();
    log(log_level::info, logger,
        "node '" + name() + "': connected to " + options_.where.to_string());
    return nullptr;
  } catch (const closed_early& x) {
    return note(std::make_exception_ptr(not_a_node{x.what()})); // for users
  } catch (...) {
    return note(std::current_exception());
  }
}

void remote_host::try_until(clock::time_point deadline) {
  auto wait = least_pause;
  while (const auto failed = try_to_connect(clock::now()
                                            + options_.connect_timeout)) {
    if (!is_passing(failed) || clock::now() + wait > deadline
        || !dialer_.pause(wait))
      std::rethrow_exception(failed);
    wait = std::min(2 * wait, most_pause);
  }
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
  dialer_.give_up_broken();
  const std::lock_guard guard{mutex_};
  --watched_;
  changed_.notify_all();
}

} // namespace puma::internal
