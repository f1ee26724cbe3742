// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/node_session.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/internal/shared_arena.hpp"
#include "puma/environments/internal/start_worker.hpp"
#include "puma/environments/internal/worker_process.hpp"
#include "puma/logging/log.hpp"

#include <charconv>
#include <csignal>
#include <string_view>
#include <utility>

#include <unistd.h>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.session";

constexpr std::string_view option = "--puma-session=";

constexpr int owner_descriptor = 3;
constexpr int agent_descriptor = 4;

constexpr int exit_orphaned = 1;

/// How often the session looks after itself.
constexpr std::chrono::milliseconds turn{100};

/// More than this on its way to the owner: lines wait.
constexpr std::size_t most_lines_under_way = 256 * 1024;

/// More than this: no answers, either.
constexpr std::size_t most_answers_under_way = 2 * most_lines_under_way;

std::string path_of(const private_directory& where, node_id worker) {
  return where.path() + "/" + std::to_string(worker) + ".in";
}

} // namespace

// -- command line -------------------------------------------------------------

std::vector<std::string> session_options::arguments() const {
  return {std::string{option} + std::to_string(parent) + ","
          + std::to_string(silence_limit_ms)};
}

std::optional<session_options> session_options::parse(int argc,
                                                      const char* const* argv) {
  if (argc != 2 || !std::string_view{argv[1]}.starts_with(option))
    return std::nullopt;
  const auto rest = std::string_view{argv[1]}.substr(option.size());
  const auto* const end = rest.data() + rest.size();
  session_options result;
  const auto first = std::from_chars(rest.data(), end, result.parent);
  if (first.ec == std::errc{} && first.ptr != end && *first.ptr == ',') {
    const auto second = std::from_chars(first.ptr + 1, end,
                                        result.silence_limit_ms);
    if (second.ec == std::errc{} && second.ptr == end)
      return result;
  }
  throw usage_error{std::string{"command line: "} + argv[1]
                    + " is for processes that puma starts"};
}

// -- session ------------------------------------------------------------------

/// Takes the connections that the agent has accepted.
class node_session::handover_client final : public io_client {
 public:
  handover_client(node_session& self, int descriptor)
    : self_(self),
      descriptor_(descriptor) {}

  bool on_readable() override {
    bool is_over = false;
    while (const auto x = take_handover(descriptor_, is_over))
      self_.take(*x);
    return !is_over;
  }

  bool on_writable() override { return false; }

  void on_removed() override {
    self_.end();
    const std::lock_guard guard{self_.mutex_};
    --self_.watched_;
    self_.changed_.notify_all();
  }

 private:
  node_session& self_;
  int descriptor_;
};

node_session::node_session(io_loop& loop, const session_options& options,
                           int owner, int agent)
  : limit_(options.silence_limit_ms),
    heard_(silence::clock::now()),
    owner_(connection::open(loop, owner, *this, owner_node, true)),
    agent_(loop.watch(agent, std::make_shared<handover_client>(*this, agent))),
    launcher_(std::make_unique<launcher>()) {
  tell(session_frame::ready, 0, encoder{});
  owner_->begin();
  loop.start(agent_);
  keeper_ = std::thread{[this] { keep(); }};
}

node_session::~node_session() {
  end();
  keeper_.join();
  {
    // More may still come from the owner and the agent.
    std::unique_ptr<launcher> last; // ends the workers, without the lock
    const std::lock_guard guard{launching_};
    last.swap(launcher_);
  }
  forward_lines();
  owner_->close_when_sent();
  agent_->remove();
  std::unique_lock lock{mutex_};
  constexpr std::chrono::seconds patience{2};
  if (changed_.wait_for(lock, patience, [this] { return watched_ == 0; }))
    return;
  owner_->close();
  changed_.wait_for(lock, patience, [this] { return watched_ == 0; });
}

void node_session::wait() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return over_; });
}

void node_session::end() {
  const std::lock_guard guard{mutex_};
  over_ = true;
  changed_.notify_all();
  log_.wake();
}

void node_session::forward_lines() {
  log_.take([this](const encoder* body) {
    if (body == nullptr)
      return owner_->backlog() < most_lines_under_way;
    tell(session_frame::line, 0, *body);
    return true;
  });
}

void node_session::tell(session_frame what, node_id to, const encoder& body) {
  owner_->send(static_cast<std::uint8_t>(what), to, {}, body.bytes());
}

void node_session::on_frame(const connection_ptr&, const frame_header& head,
                            connection::bytes body) {
  decoder in{body};
  {
    const std::lock_guard guard{mutex_};
    heard_ = silence::clock::now();
  }
  switch (static_cast<session_frame>(head.kind)) {
  case session_frame::levels: {
    std::string text;
    decode(in, text);
    if (in.ok())
      log_.set_levels(text);
    break;
  }
  case session_frame::ping:
    // Who asks without ever listening is not told more and more.
    if (owner_->backlog() < most_answers_under_way)
      tell(session_frame::pong, 0, encoder{});
    break;
  case session_frame::kill: {
    const std::lock_guard launching{launching_};
    const std::lock_guard guard{mutex_};
    if (const auto i = workers_.find(static_cast<node_id>(head.to));
        i != workers_.end() && launcher_)
      launcher_->kill(i->second, SIGKILL);
    break;
  }
  case session_frame::exit:
    end();
    break;
  default:
    throw error{"unknown frame " + std::to_string(head.kind)};
  }
  if (!in.ok())
    throw error{"a frame that cannot be read: " + in.error()};
}

std::shared_ptr<encoder> node_session::sink_of(const connection_ptr&,
                                               const frame_header&) {
  return nullptr;
}

void node_session::on_lost(const connection_ptr&, const std::string&) {
  end();
  const std::lock_guard guard{mutex_};
  --watched_;
  changed_.notify_all();
}

void node_session::take(const handover& x) {
  try {
    if (x.request.what == errand::worker)
      start(x);
    else
      hand_over(path_of(sockets_, x.request.worker), x.request,
                x.descriptor.get());
  } catch (const std::exception& error) {
    // Who has connected sees it closed.
    log(log_level::warning, logger,
        "process " + std::to_string(number_of(x.request.worker)) + ": "
          + error.what());
    if (x.request.what == errand::worker)
      on_ended(x.request.worker, {});
  }
}

void node_session::start(const handover& x) {
  const std::lock_guard launching{launching_};
  if (!launcher_)
    throw error{"not started, since the session ends"};
  const auto id = x.request.worker;
  worker_options how;
  how.parent = ::getpid();
  how.self = id;
  how.threads = worker_threads(x.request.threads, x.request.is_shared);
  how.directory = sockets_.path();
  {
    const std::lock_guard guard{mutex_};
    workers_[id] = 0;
  }
  const auto pid = start_worker(
    *launcher_, how, x.descriptor.get(),
    "worker-" + std::to_string(number_of(id)), x.request.capture_output,
    [this, id](const process_exit& end) { on_ended(id, end); });
  {
    const std::lock_guard guard{mutex_};
    if (const auto i = workers_.find(id); i != workers_.end())
      i->second = pid;
  }
  encoder body;
  body.number(pid);
  tell(session_frame::started, id, body);
}

void node_session::on_ended(node_id who, const process_exit& how) {
  {
    const std::lock_guard guard{mutex_};
    workers_.erase(who);
  }
  // It may have changed what others here wait for without having told them.
  shared_arena::instance().ring_all();
  encoder body;
  body.number(how.code);
  body.number(how.signaled);
  body.number(how.core);
  tell(session_frame::ended, who, body);
}

void node_session::keep() {
  silence judge{silence::clock::now()};
  for (;;) {
    log_.wait_for(turn);
    forward_lines();
    const auto now = silence::clock::now();
    judge.tick(now, turn);
    const std::lock_guard guard{mutex_};
    if (over_)
      return;
    if (limit_.count() != 0 && judge.since(heard_, now) > limit_
        && !owner_->has_unread()) {
      over_ = true;
      changed_.notify_all();
    }
  }
}

int run_session(const session_options& options) {
  if (!prepare_worker_process(options.parent))
    return exit_orphaned;
  runtime_core core{{.threads = 1}};
  node_session self{core.loop(), options, owner_descriptor, agent_descriptor};
  self.wait();
  return 0;
}

} // namespace puma::internal
