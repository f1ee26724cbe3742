// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/home_node.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/environments/internal/unix_socket.hpp"
#include "puma/environments/internal/worker_options.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include <unistd.h>

namespace puma::internal {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* logger = "puma.processes";

/// A worker that has closed its connection ends within this time.
constexpr std::chrono::seconds end_time{1};

node_token make_token() {
  std::random_device random;
  const auto word = [&] { return (std::uint64_t{random()} << 32u) | random(); };
  return {word(), word()};
}

/// Returns the least severe level that is written.
log_level current_level() {
  for (auto x : {log_level::debug, log_level::info, log_level::warning,
                 log_level::error})
    if (logs(x))
      return x;
  return log_level::off;
}

std::string milliseconds(std::chrono::milliseconds x) {
  return std::to_string(x.count()) + " ms";
}

} // namespace

/// A runnable in a worker, as the registry sees it.
class home_node::remote_run final : public hosted {
 public:
  remote_run(std::shared_ptr<run_record> record, run_id id)
    : record_(std::move(record)),
      id_(id) {}

  /// The reference that `drop` gives up.
  std::shared_ptr<remote_run> self;

  [[nodiscard]] run_id id() const noexcept { return id_; }

  [[nodiscard]] run_record& record() const noexcept { return *record_; }

  /// Called when the worker has been told to start it.
  void sent(connection_ptr control) {
    const std::lock_guard guard{mutex_};
    control_ = std::move(control);
    if (early_ != 0)
      send(std::exchange(early_, 0));
  }

  void set_activity(std::string what) {
    const std::lock_guard guard{mutex_};
    activity_ = std::move(what);
  }

  /// Gives up the tokens that hold streams open until the runnable has opened
  /// its publishers.
  void drop_tokens(const failure* error) {
    const auto recipe = std::move(record_->recipe);
    if (recipe)
      for (auto& x : recipe->buffers)
        x->queue()->drop_token(error);
  }

  void notify(wake::bits what, wake_list&) noexcept override {
    const std::lock_guard guard{mutex_};
    if (control_)
      send(what);
    else
      early_ |= what;
  }

  [[nodiscard]] std::string current_activity() const override {
    const std::lock_guard guard{mutex_};
    return activity_;
  }

  void drop() noexcept override { const auto last = std::move(self); }

 private:
  void send(wake::bits what) noexcept {
    control_->send(static_cast<std::uint8_t>(node_frame::signal), id_,
                   std::as_bytes(std::span{&what, 1}), {});
  }

  const std::shared_ptr<run_record> record_;
  const run_id id_;
  mutable std::mutex mutex_;
  connection_ptr control_;
  wake::bits early_ = 0;
  std::string activity_ = "starting in a process of its own";
};

struct home_node::worker {
  node_id id = 0;
  pid_t pid = 0;
  process_options options;
  int descriptor = -1;
  connection_ptr control;
  std::map<run_id, remote_run_ptr> runs;
  std::set<buffer_id> publishing;
  clock::time_point started;
  clock::time_point last_heard;
  bool ready = false;
  bool dismissed = false;
  std::optional<clock::time_point> lost; // when its connection was
  std::optional<process_exit> exit;
  std::string verdict; // why it was killed
};

/// Starts runnables in workers of one `process_environment`.
class home_node::group final : public run_starter {
 public:
  group(home_node& home, const process_options& options)
    : home_(home),
      options_(options),
      shared_(options.workers) {}

  void check(const run_record& x) const override {
    const auto fail = [&](const std::string& why) {
      throw usage_error{"runnable '" + x.recipe->name()
                        + "': cannot go to another process: " + why
                        + "; or run it in a thread_environment"};
    };
    if (const auto why = x.recipe->obstacle(); !why.empty())
      fail(why);
    for (auto& buffer : x.recipe->buffers) {
      const auto& q = *buffer->queue();
      if (const auto why = q.ops().obstacle(); !why.empty())
        fail("the values of buffer '" + q.name() + "': " + why);
    }
  }

  hosted* start(const std::shared_ptr<run_record>& x) override {
    encoder args{static_cast<port_context*>(&home_)};
    const auto key = x->recipe->encode(args);
    if (!key)
      check(*x);
    encoder body;
    body.number(x->own_thread);
    encode(body, key->type);
    encode(body, key->module);
    body.number(key->offset);
    body.block(args.bytes().data(), args.bytes().size());
    const auto where = pick();
    const auto id = home_.next_run();
    auto run = std::make_shared<remote_run>(x, id);
    run->self = run;
    home_.post(
      [this, where, run, text = std::make_shared<encoder>(std::move(body))] {
        home_.start_run(where, run, *text);
      });
    return run.get();
  }

 private:
  node_id pick() {
    if (shared_.empty())
      return home_.spawn(options_);
    const std::lock_guard guard{mutex_};
    auto& result = shared_[next_++ % shared_.size()];
    if (result == 0 || !home_.is_live(result))
      result = home_.spawn(options_);
    return result;
  }

  home_node& home_;
  const process_options options_;
  std::mutex mutex_;
  std::vector<node_id> shared_; // 0: not started yet
  std::size_t next_ = 0;
};

home_node::home_node(io_loop& loop, registry& runs)
  : home_node(loop, runs, std::make_unique<private_directory>()) {}

home_node::home_node(io_loop& loop, registry& runs,
                     std::unique_ptr<private_directory> sockets)
  : node(loop, owner_node),
    runs_(runs),
    sockets_(std::move(sockets)),
    last_tick_(clock::now()),
    on_time_since_(last_tick_),
    launcher_(std::make_unique<launcher>()) {
  settle(sockets_->path(), make_token());
  listen();
}

home_node::~home_node() {
  {
    const std::lock_guard guard{keeper_mutex_};
    keeper_stopping_ = true;
    keeper_wake_.notify_all();
  }
  if (keeper_.joinable())
    keeper_.join();
  launcher_.reset();
  close(std::chrono::seconds{1});
  // What the last events of the loop have posted may still be at work.
  std::promise<void> idle;
  post([&] { idle.set_value(); });
  idle.get_future().wait_for(std::chrono::seconds{5});
}

std::shared_ptr<run_starter>
home_node::make_group(const process_options& options) {
  return std::make_shared<group>(*this, options);
}

void home_node::shut_down(std::chrono::milliseconds timeout) {
  post([this] {
    for (auto& [id, x] : workers_)
      dismiss(*x);
  });
  const auto deadline = clock::now() + timeout;
  std::unique_lock lock{live_mutex_};
  const auto all_gone = [this] { return live_.empty(); };
  if (live_changed_.wait_until(lock, deadline, all_gone))
    return;
  lock.unlock();
  post([this, timeout] {
    for (auto& [id, x] : workers_)
      end_worker(*x, "did not end within " + milliseconds(timeout));
  });
  lock.lock();
  live_changed_.wait_for(lock, std::chrono::seconds{2}, all_gone);
}

std::vector<pid_t> home_node::workers() const {
  std::vector<pid_t> result;
  const std::lock_guard guard{live_mutex_};
  for (auto& [id, pid] : live_)
    if (pid != 0)
      result.push_back(pid);
  return result;
}

bool home_node::is_live(node_id id) const {
  const std::lock_guard guard{live_mutex_};
  return live_.contains(id);
}

void home_node::post(std::function<void()> what) {
  serial_.post(std::move(what));
}

// -- starting -----------------------------------------------------------------

node_id home_node::spawn(const process_options& options) {
  const auto id = ++last_node_;
  const auto [mine, theirs] = socket_pair();
  auto x = std::make_shared<worker>();
  x->id = id;
  x->options = options;
  x->descriptor = mine;
  {
    const std::lock_guard guard{live_mutex_};
    live_[id] = 0;
  }
  post([this, x] { add_worker(x); });
  worker_options how;
  how.parent = ::getpid();
  how.self = id;
  how.level = current_level();
  how.threads = options.threads != 0 ? options.threads
                : options.workers == 0
                  ? 1
                  : std::max(std::thread::hardware_concurrency(), 1u);
  try {
    const auto pid = launcher_->start(
      how.arguments(), theirs, [this, id](const process_exit& end) {
        post([this, id, end] { on_exit(id, end); });
      });
    ::close(theirs);
    {
      const std::lock_guard guard{live_mutex_};
      if (const auto i = live_.find(id); i != live_.end())
        i->second = pid;
    }
    post([x, pid] { x->pid = pid; });
  } catch (...) {
    ::close(theirs);
    post([this, id] { on_exit(id, {}); });
    throw;
  }
  keep_time(options.ping_interval);
  return id;
}

void home_node::add_worker(const std::shared_ptr<worker>& x) {
  workers_[x->id] = x;
  x->started = x->last_heard = clock::now();
  x->control = open_control(x->descriptor, x->id);
  x->control->begin();
  encoder body;
  body.number(token()[0]);
  body.number(token()[1]);
  encode(body, directory());
  tell(x->id, node_frame::welcome, x->id, body);
}

void home_node::start_run(node_id where, const remote_run_ptr& run,
                          const encoder& body) {
  auto* x = find_worker(where);
  if (!x || x->exit || x->lost || !x->verdict.empty()) {
    const failure error{
      std::make_exception_ptr(process_lost{
        "runnable '" + run->record().name
        + "': its worker process ended before it could start there"}),
      run->record().name, "start"};
    run->drop_tokens(&error);
    runs_.ended(run->record(), &error, true);
    return;
  }
  x->runs[run->id()] = run;
  tell(where, node_frame::start, run->id(), body);
  run->sent(x->control);
}

home_node::worker* home_node::find_worker(node_id id) {
  const auto i = workers_.find(id);
  return i != workers_.end() ? i->second.get() : nullptr;
}

void home_node::tell(node_id who, node_frame what, std::uint64_t to,
                     const encoder& body) {
  if (auto* x = find_worker(who); x && x->control)
    x->control->send(static_cast<std::uint8_t>(what), to, {}, body.bytes());
}

// -- what workers say ---------------------------------------------------------

void home_node::on_control(const connection_ptr& from, const frame_header& head,
                           connection::bytes body) {
  const auto who = from->peer();
  const auto id = head.to;
  decoder in{body, static_cast<port_context*>(this)};
  const auto with_worker = [&](auto f) {
    post([this, who, f] {
      if (auto* x = find_worker(who))
        f(*x);
    });
  };
  switch (static_cast<node_frame>(head.kind)) {
  case node_frame::ready: {
    std::string build;
    decode(in, build);
    with_worker([this, build](worker& x) {
      x.ready = true;
      x.last_heard = clock::now();
      if (build != build_fingerprint())
        end_worker(x, "runs another build: it is '" + build
                        + "', and this process '" + build_fingerprint() + "'");
    });
    break;
  }
  case node_frame::started: {
    std::string name;
    decode(in, name);
    const auto kind = in.number<run_kind>();
    with_worker(
      [this, id, name, kind](worker& x) { on_started(x, id, name, kind); });
    break;
  }
  case node_frame::ended: {
    const auto untaken = in.number<bool>();
    std::optional<failure> error;
    if (in.number<bool>())
      error = decode_failure(in);
    with_worker([this, id, error, untaken](worker& x) {
      on_ended(x, id, error, untaken);
    });
    break;
  }
  case node_frame::note: {
    const auto what = in.number<note>();
    const auto epoch = in.number<std::uint64_t>();
    post([this, who, id, what, epoch] { on_note(who, id, what, epoch); });
    break;
  }
  case node_frame::join:
    post([this, who, id] { on_join(who, id); });
    break;
  case node_frame::leave:
    post([this, who, id] { on_leave(who, id); });
    break;
  case node_frame::fault: {
    std::string why;
    decode(in, why);
    on_fault(static_cast<node_id>(id), why);
    break;
  }
  case node_frame::exported:
    post([this, id] {
      if (const auto i = entries_.find(id); i != entries_.end())
        ++i->second.expected;
    });
    break;
  case node_frame::pong: {
    std::map<run_id, std::string> doing;
    decode(in, doing);
    with_worker([doing](worker& x) {
      x.last_heard = clock::now();
      for (auto& [run, what] : doing)
        if (const auto i = x.runs.find(run); i != x.runs.end())
          i->second->set_activity(what);
    });
    break;
  }
  default:
    throw error{"unknown frame " + std::to_string(head.kind)};
  }
  if (!in.ok())
    throw error{"a frame that cannot be read: " + in.error()};
}

void home_node::on_started(worker& from, run_id id, std::string name,
                           run_kind kind) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  const auto run = i->second;
  run->set_activity("waiting");
  runs_.constructed(run->record(), std::move(name), kind);
  run->drop_tokens(nullptr);
}

void home_node::on_ended(worker& from, run_id id,
                         const std::optional<failure>& error, bool untaken) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  const auto run = std::move(i->second);
  from.runs.erase(i);
  run->drop_tokens(error ? &*error : nullptr);
  if (from.options.workers == 0)
    dismiss(from);
  runs_.ended(run->record(), error ? &*error : nullptr, untaken);
}

void home_node::dismiss(worker& x) {
  if (!std::exchange(x.dismissed, true))
    tell(x.id, node_frame::exit, 0, encoder{});
}

// -- how workers end ----------------------------------------------------------

void home_node::on_control_lost(const connection_ptr& who,
                                const std::string& why) {
  const auto id = who->peer();
  post([this, id, why] {
    auto* x = find_worker(id);
    if (!x)
      return;
    x->lost = clock::now();
    if (x->exit)
      finish_worker(*x);
    else if (!why.empty())
      end_worker(*x, "broke the rules: " + why);
  });
}

void home_node::on_exit(node_id who, const process_exit& how) {
  auto* x = find_worker(who);
  if (!x)
    return;
  x->exit = how;
  // What it said last is still to be read.
  if (x->lost)
    finish_worker(*x);
}

void home_node::end_worker(worker& x, const std::string& why) {
  if (x.verdict.empty())
    x.verdict = why;
  if (x.pid != 0)
    launcher_->kill(x.pid, SIGKILL);
}

void home_node::finish_worker(worker& x) {
  const auto keep = workers_[x.id];
  auto runs = std::move(x.runs);
  x.runs.clear();
  std::string text = "worker process " + std::to_string(x.pid);
  for (auto& [id, run] : runs)
    text += (id == runs.begin()->first ? " of '" : ", '") + run->record().name
            + "'";
  text += x.verdict.empty() ? " " + x.exit->describe()
                            : ": it " + x.verdict + ", and was ended";
  const failure error{std::make_exception_ptr(process_lost{text}),
                      runs.empty() ? "" : runs.begin()->second->record().name,
                      "process"};
  const bool passed_on = publishes_anywhere(x);
  workers_.erase(x.id);
  node_died(x.id, error);
  if (!runs.empty())
    log(log_level::error, logger, text);
  else if (!x.verdict.empty() || x.exit->signaled || x.exit->code != 0)
    log(log_level::warning, logger, text);
  for (auto& [id, run] : runs) {
    run->drop_tokens(&error);
    runs_.ended(run->record(), &error, !passed_on);
  }
  const std::lock_guard guard{live_mutex_};
  live_.erase(x.id);
  live_changed_.notify_all();
}

bool home_node::publishes_anywhere(const worker& x) {
  return std::any_of(x.publishing.begin(), x.publishing.end(), [&](auto id) {
    const auto i = entries_.find(id);
    return i != entries_.end() && !i->second.broken && i->second.seat != x.id;
  });
}

// -- time ---------------------------------------------------------------------

void home_node::keep_time(std::chrono::milliseconds interval) {
  const std::lock_guard guard{keeper_mutex_};
  interval_ = std::min(interval_, interval);
  if (!keeper_.joinable())
    keeper_ = std::thread{[this] {
      std::unique_lock lock{keeper_mutex_};
      while (!keeper_stopping_) {
        keeper_wake_.wait_for(lock, interval_);
        if (keeper_stopping_)
          break;
        const auto period = interval_;
        lock.unlock();
        post([this, period] { tick(period); });
        lock.lock();
      }
    }};
  keeper_wake_.notify_all();
}

void home_node::tick(std::chrono::milliseconds period) {
  const auto now = clock::now();
  // What this process missed while it stood still itself is not held against
  // anybody.
  if (now - std::exchange(last_tick_, now) > 2 * period)
    on_time_since_ = now;
  for (auto i = workers_.begin(); i != workers_.end();) {
    auto& x = *(i++)->second;
    if (x.lost && (x.exit || now - *x.lost > end_time)) {
      if (x.exit)
        finish_worker(x);
      else
        end_worker(x, "closed its connection");
      continue;
    }
    const auto since = [&](clock::time_point t) {
      return now - std::max(t, on_time_since_);
    };
    if (!x.verdict.empty() || x.exit)
      continue;
    if (!x.ready) {
      if (since(x.started) > x.options.start_timeout)
        end_worker(x, "did not start within "
                        + milliseconds(x.options.start_timeout));
      continue;
    }
    const auto limit = x.options.answer_timeout;
    if (limit.count() != 0 && since(x.last_heard) > limit
        && !x.control->has_unread())
      end_worker(x, "did not answer for " + milliseconds(limit));
    else
      tell(x.id, node_frame::ping, 0, encoder{});
  }
  sweep_entries();
}

void home_node::sweep_entries() {
  const std::lock_guard guard{ports_mutex_};
  std::erase_if(entries_, [this](const auto& y) {
    auto& [id, x] = y;
    if (!x.members.empty() || x.expected > 0 || x.moving || !x.own->unused())
      return false;
    ports_.erase(id);
    return true;
  });
}

void home_node::on_fault(node_id who, const std::string& why) {
  post([this, who, why] {
    if (auto* x = find_worker(who))
      end_worker(*x, "broke the rules: " + why);
  });
}

bool home_node::may_leave(const port&) {
  return false; // see sweep_entries
}

// -- buffers ------------------------------------------------------------------

void home_node::export_buffer(encoder& to, const detail::buffer_core_ptr& x) {
  port_ptr own;
  {
    const std::lock_guard guard{export_mutex_};
    own = port::of(*x);
    if (own && !own->is_in(*this))
      throw usage_error{"buffer '" + x->queue()->name()
                        + "': belongs to another runtime"};
    if (!own) {
      own = std::make_shared<port>(*this, ++last_buffer_, x);
      add(own);
      post([this, own] { entries_[own->id()].own = own; });
    }
  }
  write_handle(to, own->id(), *x);
  post([this, id = own->id()] { ++entries_[id].expected; });
}

detail::buffer_core_ptr home_node::import_buffer(decoder& from,
                                                 const detail::value_ops& ops) {
  const auto handle = read_handle(from);
  if (!from.ok())
    return nullptr;
  const auto own = find(handle.id);
  if (!own || *own->core()->queue()->ops().type != *ops.type) {
    from.fail("a handle of a buffer that is not known here");
    return nullptr;
  }
  post([this, id = handle.id] { --entries_[id].expected; });
  return own->core();
}

void home_node::tell_home(buffer_id id, note what, std::uint64_t epoch) {
  post([this, id, what, epoch] { on_note(owner_node, id, what, epoch); });
}

void home_node::on_join(node_id from, buffer_id id) {
  const auto i = entries_.find(id);
  if (i == entries_.end() || !find_worker(from))
    return;
  auto& x = i->second;
  --x.expected;
  x.members.insert(from);
  if (x.broken) {
    encoder body;
    encode(body, *x.broken);
    tell(from, node_frame::break_off, id, body);
  } else if (!x.moving) {
    tell_seat(from, id, x, {});
  }
}

void home_node::on_leave(node_id from, buffer_id id) {
  const auto i = entries_.find(id);
  if (i == entries_.end())
    return;
  i->second.members.erase(from);
  if (i->second.moving && i->second.moving->waiting.erase(from) != 0)
    go_on_moving(id, i->second);
}

void home_node::on_note(node_id from, buffer_id id, note what,
                        std::uint64_t epoch) {
  auto* sender = find_worker(from);
  if (from != owner_node && !sender)
    return;
  if (sender && what == note::publishing)
    sender->publishing.insert(id);
  if (sender && what == note::finished)
    sender->publishing.erase(id);
  const auto i = entries_.find(id);
  if (i == entries_.end() || i->second.broken)
    return;
  auto& x = i->second;
  switch (what) {
  case note::publishing:
  case note::finished:
    break;
  case note::subscribed:
    if (x.subscriber && *x.subscriber != from) {
      const failure error{
        std::make_exception_ptr(usage_error{
          "buffer '" + x.own->core()->queue()->name()
          + "': has a subscription already, in another process; a buffer has "
            "one at a time"})};
      encoder body;
      encode(body, error);
      if (from == owner_node)
        x.own->refuse(error);
      else
        tell(from, node_frame::refuse, id, body);
      break;
    }
    x.subscriber = from;
    balance(id, x);
    break;
  case note::unsubscribed:
    if (x.subscriber == from)
      x.subscriber.reset();
    balance(id, x);
    break;
  case note::idle:
  case note::active:
  case note::marked_idle:
  case note::marked_active:
    if (!x.moving || epoch != x.epoch || x.moving->waiting.erase(from) == 0)
      break;
    if (what == note::active || what == note::marked_active)
      x.moving->publishing.insert(from);
    if (what == note::marked_idle || what == note::marked_active)
      x.moving->marks.push_back(from);
    go_on_moving(id, x);
    break;
  case note::seated:
    if (x.moving && epoch == x.epoch) {
      x.seat = from;
      resume(id, x, std::move(x.moving->publishing));
    }
    break;
  }
}

void home_node::balance(buffer_id id, entry& x) {
  const auto wanted = x.subscriber.value_or(owner_node);
  if (x.moving || x.broken || wanted == x.seat)
    return;
  ++x.epoch;
  x.moving.emplace();
  x.moving->to = wanted;
  x.moving->waiting = x.members;
  x.moving->waiting.insert(owner_node);
  encoder body;
  body.number(x.epoch);
  for (auto who : x.members)
    tell(who, node_frame::hold, id, body);
  x.own->hold(x.epoch);
}

void home_node::go_on_moving(buffer_id id, entry& x) {
  auto& move = *x.moving;
  if (!move.waiting.empty() || std::exchange(move.shipped, true))
    return;
  if (move.to == x.seat) {
    resume(id, x, std::move(move.publishing));
    return;
  }
  if (x.seat == owner_node) {
    x.own->ship(x.epoch, move.to, move.marks);
    return;
  }
  encoder body;
  body.number(x.epoch);
  body.number(move.to);
  encode(body, move.marks);
  tell(x.seat, node_frame::ship, id, body);
}

void home_node::resume(buffer_id id, entry& x, std::set<node_id> publishing) {
  x.moving.reset();
  publishing.erase(x.seat);
  for (auto who : x.members)
    tell_seat(who, id, x, publishing);
  x.own->resume(x.epoch, x.seat, {publishing.begin(), publishing.end()});
  balance(id, x);
}

void home_node::tell_seat(node_id who, buffer_id id, const entry& x,
                          const std::set<node_id>& publishing) {
  encoder body;
  body.number(x.epoch);
  body.number(x.seat);
  encode(body, std::vector<node_id>{publishing.begin(), publishing.end()});
  tell(who, node_frame::resume, id, body);
}

void home_node::break_entry(buffer_id id, entry& x, const failure& error) {
  x.broken = error;
  x.moving.reset();
  encoder body;
  encode(body, error);
  for (auto who : x.members)
    tell(who, node_frame::break_off, id, body);
  x.own->break_off(error);
}

void home_node::node_died(node_id who, const failure& error) {
  for (auto& [id, x] : entries_) {
    x.members.erase(who);
    if (x.subscriber == who)
      x.subscriber.reset();
    if (x.broken)
      continue;
    if (x.seat == who) {
      break_entry(id, x, error);
      continue;
    }
    if (!x.moving) {
      continue;
    }
    auto& move = *x.moving;
    if (move.to == who) {
      if (move.shipped) {
        break_entry(id, x, error);
        continue;
      }
      move.to = x.seat;
    }
    move.publishing.erase(who);
    if (move.waiting.erase(who) != 0)
      go_on_moving(id, x);
  }
  encoder body;
  encode(body, error);
  for (auto& [id, x] : workers_)
    tell(id, node_frame::node_gone, who, body);
  forget_node(who, error);
}

} // namespace puma::internal
