// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/crossing.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/environments/internal/home_node_parts.hpp"
#include "puma/environments/internal/shared_arena.hpp"
#include "puma/environments/internal/start_worker.hpp"
#include "puma/environments/internal/unix_socket.hpp"
#include "puma/environments/internal/worker_options.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <csignal>
#include <exception>
#include <utility>

#include <unistd.h>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.processes";

/// A worker that has closed its connection ends within this time.
constexpr std::chrono::seconds end_time{1};

/// What is waited for the serial queue to say whom it kills.
constexpr std::chrono::seconds kill_patience{1};

std::string milliseconds(std::chrono::milliseconds x) {
  return std::to_string(x.count()) + " ms";
}

} // namespace

/// Starts runnables in workers of one `process_environment`.
class home_node::group final : public run_starter {
 public:
  group(home_node& home, const process_options& options,
        std::shared_ptr<remote_host> host)
    : home_(home),
      options_(options),
      host_(std::move(host)),
      shared_(options.workers) {}

  void check(const run_record& x) const override {
    if (const auto why = x.recipe->obstacle(); !why.empty())
      throw usage_error{"runnable '" + x.recipe->name()
                        + "': cannot go to another process: " + why
                        + "; or run it in a thread_environment"};
  }

  void give_up(const std::shared_ptr<run_record>& x,
               const std::string& why) override {
    home_.end_process_of(x, why);
  }

  hosted* start(const std::shared_ptr<run_record>& x) override {
    encoder args{static_cast<port_context*>(&home_)};
    args.set_leaves_host(host_ != nullptr);
    const auto key = x->recipe->encode(args);
    if (!key)
      check(*x);
    encoder body;
    body.number(x->own_thread);
    body.number(x->terms.on_failure);
    body.number(x->terms.on_own_stop);
    body.number(x->terms.keeps_values);
    body.number(x->instance);
    const auto faults = x->owner->faults();
    encode(body, faults ? faults->all() : std::vector<planned_fault>{});
    encode_key(body, *key);
    body.block(args.bytes().data(), args.bytes().size());
    const auto where = pick();
    const auto id = home_.next_run();
    auto run = std::make_shared<remote_run>(home_, x, where, id,
                                            home_.calls().target(where, id));
    run->self = run;
    for (auto& buffer : x->recipe->buffers) {
      run->streams.push_back({buffer->queue(), false});
      run->buffers.push_back(buffer->queue().get());
    }
    for (auto& stream : std::exchange(x->held, {}))
      run->streams.push_back(std::move(stream));
    home_.post_for(where, [this, where, run,
                           text = std::make_shared<encoder>(std::move(body))] {
      home_.start_run(where, run, *text);
    });
    return run.get();
  }

 private:
  node_id spawn() {
    return host_ ? home_.spawn_at(host_, options_) : home_.spawn(options_);
  }

  node_id pick() {
    if (shared_.empty())
      return spawn();
    const std::lock_guard guard{mutex_};
    auto& result = shared_[next_++ % shared_.size()];
    if (result == 0 || !home_.accepts(result))
      result = spawn();
    return result;
  }

  home_node& home_;
  const process_options options_;
  const std::shared_ptr<remote_host> host_; // null: this one
  std::mutex mutex_;
  std::vector<node_id> shared_; // 0: not started yet
  std::size_t next_ = 0;
};

home_node::home_node(io_loop& loop, io_loop& link_loop, registry& runs)
  : home_node(loop, link_loop, runs, std::make_unique<private_directory>()) {}

home_node::home_node(io_loop& loop, io_loop& link_loop, registry& runs,
                     std::unique_ptr<private_directory> sockets)
  : node(loop, link_loop, owner_node),
    runs_(runs),
    sockets_(std::move(sockets)),
    judge_(silence::clock::now()),
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
  // What has been posted may still use it; and its own thread may be the one
  // that runs this.
  const auto last = std::make_shared<std::unique_ptr<launcher>>();
  wait_for_posted([this, last] { *last = std::move(launcher_); });
  last->reset();
  close(std::chrono::seconds{1});
  for (auto& [number, host] : hosts_)
    host->close();
  for (auto& [number, host] : hosts_)
    host->shut_down();
  // What the last events of the loop have posted may still be at work.
  wait_for_posted([] {});
  drop_ports();
}

/// Calls `what` after all that has been posted.
void home_node::wait_for_posted(std::function<void()> what) {
  auto done = std::make_shared<std::promise<void>>();
  post([done, what = std::move(what)] {
    what();
    done->set_value();
  });
  constexpr std::chrono::seconds patience{5};
  done->get_future().wait_for(patience);
}

std::shared_ptr<run_starter>
home_node::make_group(const process_options& options,
                      std::shared_ptr<remote_host> host) {
  return std::make_shared<group>(*this, options, std::move(host));
}

void home_node::ask_for_activities() {
  post([this] {
    for (auto& [id, x] : workers_)
      tell(id, node_frame::ping, 0, encoder{});
  });
}

bool home_node::kill_busy(const std::string& why) {
  auto found = std::make_shared<std::promise<bool>>();
  auto result = found->get_future();
  post([this, why, found] {
    bool any = false;
    for (auto& [id, x] : workers_) {
      if (x->runs.empty())
        continue;
      any = true;
      end_worker(*x, why);
    }
    found->set_value(any);
  });
  return result.wait_for(kill_patience) != std::future_status::ready
         || result.get();
}

void home_node::end_process_of(const std::shared_ptr<run_record>& run,
                               const std::string& why) {
  post([this, run, why] {
    for (auto& [id, x] : workers_)
      if (x->options.workers == 0
          && std::any_of(x->runs.begin(), x->runs.end(), [&](const auto& y) {
               return &y.second->record() == run.get();
             }))
        end_worker(*x, why);
  });
}

void home_node::shut_down(std::chrono::milliseconds timeout) {
  post([this] {
    for (auto& [id, x] : workers_)
      dismiss(*x);
  });
  const auto deadline = silence::clock::now() + timeout;
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

bool home_node::accepts(node_id id) const {
  const std::lock_guard guard{live_mutex_};
  return accepting_.contains(id);
}

void home_node::accept_no_more(node_id id) {
  const std::lock_guard guard{live_mutex_};
  accepting_.erase(id);
}

void home_node::post(std::function<void()> what) {
  serial_.post(std::move(what));
}

void home_node::post_for(node_id to, std::function<void()> what) {
  {
    const std::lock_guard guard{live_mutex_};
    ++posted_[to];
  }
  post([this, to, what = std::move(what)] {
    std::exception_ptr failed;
    try {
      what();
    } catch (...) {
      failed = std::current_exception();
    }
    const bool last = [&] {
      const std::lock_guard guard{live_mutex_};
      return --posted_[to] == 0 && posted_.erase(to) != 0;
    }();
    if (auto* x = last ? find_worker(to) : nullptr)
      for (auto& [id, run] : x->runs)
        run->flush();
    if (failed)
      std::rethrow_exception(failed); // to be logged
  });
}

bool home_node::has_posted(node_id to) const {
  const std::lock_guard guard{live_mutex_};
  return posted_.contains(to);
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
    accepting_.insert(id);
  }
  post([this, x] { add_worker(x); });
  worker_options how;
  how.parent = ::getpid();
  how.self = id;
  how.threads = worker_threads(options.threads, options.workers != 0);
  const owned_descriptor control{theirs};
  try {
    const auto pid = start_worker(
      *launcher_, how, control.get(), "worker-" + std::to_string(id),
      options.capture_output, [this, id](const process_exit& end) {
        post([this, id, end] { on_exit(id, end); });
      });
    {
      const std::lock_guard guard{live_mutex_};
      if (const auto i = live_.find(id); i != live_.end())
        i->second = pid;
    }
    post([x, pid] { x->pid = pid; });
  } catch (...) {
    post([this, id] { on_exit(id, {}); });
    throw;
  }
  keep_time(options.ping_interval);
  return id;
}

void home_node::add_worker(const std::shared_ptr<worker>& x) {
  workers_[x->id] = x;
  x->started = x->last_heard = silence::clock::now();
  x->control = x->host ? open_control_later(x->id)
                       : open_control(x->descriptor, x->id);
  {
    const std::lock_guard guard{live_mutex_};
    controls_[x->id] = x->control;
  }
  if (!x->host)
    x->control->begin();
  encoder body;
  body.number(token()[0]);
  body.number(token()[1]);
  encode(body, x->host ? std::string{} : sockets_->path());
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
    lose(*run, error, true);
    return;
  }
  x->runs[run->id()] = run;
  tell(where, node_frame::start, run->id(), body);
  run->sent(x->control);
}

// -- what the directory says --------------------------------------------------

void home_node::hold(node_id who, buffer_id id, std::uint64_t epoch) {
  encoder body;
  body.number(epoch);
  tell(who, node_frame::hold, id, body);
}

void home_node::ship(node_id who, buffer_id id, std::uint64_t epoch, node_id to,
                     const std::vector<node_id>& marks) {
  encoder body;
  body.number(epoch);
  body.number(to);
  encode(body, marks);
  tell(who, node_frame::ship, id, body);
}

void home_node::resume(node_id who, buffer_id id, std::uint64_t epoch,
                       node_id seat, const std::vector<node_id>& publishing) {
  encoder body;
  body.number(epoch);
  body.number(seat);
  encode(body, publishing);
  tell(who, node_frame::resume, id, body);
}

void home_node::refuse(node_id who, buffer_id id, const failure& error) {
  encoder body;
  encode(body, error);
  tell(who, node_frame::refuse, id, body);
}

void home_node::break_off(node_id who, buffer_id id, const failure& error) {
  encoder body;
  encode(body, error);
  tell(who, node_frame::break_off, id, body);
}

void home_node::sweep_unused() {
  const std::lock_guard guard{ports_mutex_};
  for (auto id : directory_.sweep())
    ports_.erase(id);
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

void home_node::carry(node_id to, std::shared_ptr<const encoder> piece,
                      bool is_call) {
  constexpr auto kind = static_cast<std::uint8_t>(node_frame::parcel);
  // The runnable that it is for may still wait to be started.
  if (is_call && has_posted(to)) {
    post_for(to, [this, to, piece] {
      if (auto* x = find_worker(to); x && x->control)
        x->control->send(kind, to, {}, piece->bytes(), piece);
    });
    return;
  }
  connection_ptr control;
  {
    const std::lock_guard guard{live_mutex_};
    if (const auto i = controls_.find(to); i != controls_.end())
      control = i->second;
  }
  if (control)
    control->send(kind, to, {}, piece->bytes(), piece);
}

void home_node::forward(node_id to, connection::bytes piece) {
  auto copy = std::make_shared<encoder>();
  copy->block(piece.data(), piece.size());
  post([this, to, copy] {
    if (find_worker(to))
      return carry(to, copy, true);
    const auto [from, answer] = call_desk::returned(copy->bytes(), to);
    carry(from, answer, false);
  });
}

// -- how workers end ----------------------------------------------------------

void home_node::lose(remote_run& run, const failure& error, bool untaken) {
  auto& record = run.record();
  if (run.may_restart() && !runs_.is_told_to_stop(record)) {
    runs_.detach(record);
    runs_.suspended(record, {error, std::exchange(run.streams, {}), {}}, {});
    return;
  }
  run.drop_tokens(&error);
  record.lost_process = true;
  runs_.ended(record, &error, untaken);
}

std::set<buffer_id>
home_node::spared_by(const std::map<run_id, remote_run_ptr>& runs) const {
  std::set<const queue*> held;
  std::set<const queue*> failing;
  for (auto& [id, run] : runs) {
    const bool restarts = run->may_restart()
                          && !runs_.is_told_to_stop(run->record());
    if (restarts) {
      for (auto& x : run->streams)
        held.insert(x.to.get());
    } else {
      failing.insert(run->buffers.begin(), run->buffers.end());
    }
  }
  std::set<buffer_id> result;
  for (auto& x : ports()) {
    const auto* q = x->core()->queue().get();
    if (held.contains(q) && !failing.contains(q))
      result.insert(x->id());
  }
  return result;
}

void home_node::dismiss(worker& x) {
  accept_no_more(x.id);
  if (!std::exchange(x.dismissed, true))
    tell(x.id, node_frame::exit, 0, encoder{});
  if (x.is_under_way)
    call_off(x);
}

void home_node::on_control_lost(const connection_ptr& who,
                                const std::string& why) {
  const auto id = who->peer();
  post([this, id, why] {
    auto* x = find_worker(id);
    if (!x)
      return;
    x->lost = silence::clock::now();
    accept_no_more(id);
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
  x->exited = silence::clock::now();
  accept_no_more(who);
  // What it said last is still to be read.
  if (x->lost)
    finish_worker(*x);
}

void home_node::end_worker(worker& x, const std::string& why) {
  accept_no_more(x.id);
  if (x.verdict.empty())
    x.verdict = why;
  if (!x.doomed)
    x.doomed = silence::clock::now();
  if (x.is_under_way)
    give_up(x);
  else if (x.host)
    x.host->kill(x.id);
  else if (x.pid != 0 && launcher_)
    launcher_->kill(x.pid, SIGKILL);
}

void home_node::finish_worker(worker& x) {
  const auto keep = workers_[x.id];
  auto runs = std::move(x.runs);
  x.runs.clear();
  std::string text = "worker process";
  if (x.pid != 0)
    text += " " + std::to_string(x.pid);
  if (x.host)
    text += " on node '" + x.host->name() + "'";
  for (auto& [id, run] : runs)
    text += (id == runs.begin()->first ? " of '" : ", '") + run->record().name
            + "'";
  text += !x.fate.empty()     ? ": " + x.fate
          : x.verdict.empty() ? " " + x.exit->describe()
                              : ": it " + x.verdict + ", and was ended";
  const failure error{std::make_exception_ptr(process_lost{text}),
                      runs.empty() ? "" : runs.begin()->second->record().name,
                      "process"};
  const bool passed_on = directory_.publishes(x.id);
  if (x.host)
    x.control->close(); // its host may be unable to
  workers_.erase(x.id);
  // Everything that it had to say came before its last runnable's end.
  const bool in_order = runs.empty() && x.dismissed && x.verdict.empty()
                        && x.fate.empty() && !x.exit->signaled
                        && x.exit->code == 0;
  const auto spared = spared_by(runs);
  directory_.node_gone(x.id, error, in_order, spared);
  encoder gone;
  encode(gone, error);
  encode(gone, spared);
  for (auto& [id, other] : workers_)
    tell(id, node_frame::node_gone, x.id, gone);
  forget_node(x.id, error, spared);
  // It may have changed what others wait for without having told them.
  shared_arena::instance().ring_all();
  if (!runs.empty())
    log(log_level::error, logger, text);
  else if (!x.verdict.empty() || x.exit->signaled || x.exit->code != 0)
    log(log_level::warning, logger, text);
  for (auto& [id, run] : runs) {
    // Each owner is told; the streams have the first one.
    const auto own = id == runs.begin()->first
                       ? error
                       : failure{std::make_exception_ptr(process_lost{text}),
                                 run->record().name, "process"};
    lose(*run, own, !passed_on);
  }
  const std::lock_guard guard{live_mutex_};
  controls_.erase(keep->id);
  live_.erase(x.id);
  live_changed_.notify_all();
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
  const auto now = silence::clock::now();
  judge_.tick(now, period);
  for (auto i = workers_.begin(); i != workers_.end();) {
    auto& x = *(i++)->second;
    if (x.lost && x.exit) {
      finish_worker(x);
      continue;
    }
    if (x.lost && now - *x.lost > end_time) {
      end_worker(x, "closed its connection");
      if (x.host)
        check_remote(x); // nobody may be left there to tell of its end
      continue;
    }
    const auto since = [&](silence::clock::time_point t) {
      return judge_.since(t, now);
    };
    if (x.exit && now - x.exited > end_time) {
      // Its end of the connection should have gone with it.
      finish_worker(x);
      continue;
    }
    if (x.host)
      check_remote(x);
    if (!x.verdict.empty() || x.exit || x.is_under_way)
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
  sweep_unused();
  cut_off_gone();
  const std::lock_guard guard{hosts_mutex_};
  for (auto& [number, host] : hosts_)
    host->tick(judge_);
}

void home_node::on_fault(node_id who, const std::string& why) {
  post([this, who, why] {
    if (auto* x = find_worker(who))
      end_worker(*x, "broke the rules: " + why);
  });
}

bool home_node::may_leave(const port&) {
  return false; // see sweep_unused
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
      post([this, own] { directory_.add(own); });
    }
  }
  write_handle(to, own->id(), *x);
  post([this, id = own->id()] { directory_.expect(id, 1); });
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
  post([this, id = handle.id] { directory_.expect(id, -1); });
  return own->core();
}

void home_node::when_passed_on_from(port&, std::function<void()> done) {
  done(); // nothing is relayed to here
}

void home_node::tell_home(buffer_id id, note what, std::uint64_t epoch) {
  post([this, id, what, epoch] {
    directory_.on_note(owner_node, id, what, epoch);
  });
}

} // namespace puma::internal
