// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/registry.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/failure_access.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

namespace puma::internal {

namespace {

/// Teardowns that follow each other within this time are in a row.
constexpr std::chrono::seconds teardown_gap{1};

constexpr const char* logger = "puma.calls";

} // namespace

void registry::close() {
  const guard lock{mutex_};
  closed_ = true;
}

// -- the life of a runnable ---------------------------------------------------

registry::record_ptr registry::prepare(std::shared_ptr<run_starter> starter,
                                       bool own_thread,
                                       detail::recipe_ptr recipe,
                                       std::shared_ptr<run_observer> observer,
                                       std::shared_ptr<supervised> care,
                                       restart_terms terms) {
  if (terms.on_failure)
    if (const auto why = recipe->repeat_obstacle(); !why.empty())
      throw usage_error{"runnable '" + recipe->name()
                        + "': cannot be restarted: " + why};
  auto result = std::make_shared<run_record>(
    shared_from_this(), std::move(starter), own_thread, std::move(recipe),
    std::move(observer), std::move(care), terms);
  result->starter->check(*result);
  return result;
}

void registry::start(const record_ptr& x) {
  {
    const guard lock{mutex_};
    if (x->phase != run_phase::prepared)
      throw usage_error{shown_name(*x) + ": started already"};
    if (closed_)
      throw usage_error{shown_name(*x)
                        + ": its runtime is gone; a runtime must outlive its "
                          "runners"};
    x->phase = run_phase::starting;
    x->next = std::exchange(first_live_, x.get());
    if (x->next)
      x->next->previous = x.get();
    ++live_;
    x->early_signals |= for_good_;
  }
  if (x->care)
    supervision_.add_child(x->care, x);
  launch(x, false);
}

void registry::launch(const record_ptr& x, bool again) {
  std::uint64_t instance = 0;
  {
    const guard lock{mutex_};
    instance = ++x->instance;
    x->is_detached = false;
  }
  // Without the lock: where a buffer is shared with other processes, this may
  // do more than count.
  for (auto& buffer : x->recipe->buffers)
    buffer->queue()->add_token();
  // The host keeps the record; from here on it may end at any time.
  hosted* running = nullptr;
  try {
    running = x->starter->start(x);
  } catch (...) {
    // No thread or no memory: the streams must not stay open for it.
    const failure error{std::current_exception(), x->name, "start"};
    if (again) {
      for (auto& buffer : x->recipe->buffers)
        buffer->queue()->drop_token();
      suspended(*x, {error, std::exchange(x->held, {}), {}}, {});
      return;
    }
    const auto recipe = std::move(x->recipe);
    for (auto& buffer : recipe->buffers)
      buffer->queue()->drop_token(&error);
    ended(*x, &error, false);
    throw;
  }
  attach(*x, *running, instance);
}

void registry::attach(run_record& x, hosted& running, std::uint64_t instance) {
  hosted* unused = &running;
  std::vector<detail::job_ptr> early_jobs;
  {
    wake_list wakes;
    const guard lock{mutex_};
    const bool is_gone = x.phase == run_phase::ended || x.is_detached
                         || (instance != 0 && instance != x.instance);
    if (!is_gone && !x.running) {
      x.running = std::exchange(unused, nullptr);
      early_jobs = std::exchange(x.early_jobs, {});
      // Neither those that come now nor a stop may overtake them.
      if (!running.route())
        std::erase_if(early_jobs, [&](const auto& job) {
          return running.give(job, wakes) == job_inbox::result::pushed;
        });
      if (x.early_signals != 0)
        signal(x, x.early_signals, wakes);
    }
  }
  if (unused)
    unused->drop();
  for (auto& job : early_jobs)
    give_or_drop(x, job);
}

void registry::give_or_drop(run_record& x, const detail::job_ptr& job) {
  try {
    const auto call = std::dynamic_pointer_cast<detail::call_core>(job);
    if (call)
      send(x, call);
    else
      give(x, job);
  } catch (const std::exception& error) {
    if (job->drop(error.what()))
      log(log_level::warning, logger,
          std::string{"a posted call was not made: "} + error.what());
  }
}

std::shared_ptr<fault_plan>
registry::constructed(run_record& x, std::string name, run_kind kind) {
  std::shared_ptr<fault_plan> result;
  {
    wake_list wakes;
    const guard lock{mutex_};
    x.name = std::move(name);
    if (x.kind == run_kind::passive)
      --live_passive_; // was counted before its restart
    x.kind = kind;
    x.phase = run_phase::running;
    x.has_run = true;
    if (kind == run_kind::passive)
      ++live_passive_;
    wake_watchers(x, wakes);
    result = faults_;
  }
  if (x.observer)
    x.observer->on_constructed(x);
  return result;
}

void registry::ready(run_record& x, std::vector<const queue*> inputs,
                     std::vector<const queue*> outputs) {
  if (x.observer)
    x.observer->on_ready(x, inputs, outputs);
  if (x.care)
    supervision_.tell_constructed(x, std::move(inputs), std::move(outputs));
  wake_list wakes;
  const guard lock{mutex_};
  x.is_ready = true;
  wake_watchers(x, wakes);
}

void registry::failing(run_record& x, const failure& error) {
  const guard lock{mutex_};
  x.error = std::make_unique<failure>(error);
}

void registry::ended(run_record& x, const failure* error, bool untaken) {
  hosted* running = nullptr;
  std::vector<detail::job_ptr> early_jobs;
  {
    wake_list wakes;
    const guard lock{mutex_};
    x.phase = run_phase::ended;
    if (error)
      x.error = std::make_unique<failure>(*error);
    if (notes_endings_)
      endings_.push_back(
        {x.name, x.running ? x.running->current_activity() : std::string{},
         x.stop_requested, x.lost_process,
         error ? std::optional{*error} : std::nullopt});
    if (untaken && !x.takes_errors && !failure_access::is_claimed(*error)
        && std::none_of(untaken_.begin(), untaken_.end(),
                        [&](const auto& y) { return y.id() == error->id(); }))
      untaken_.push_back(*error);
    remove_live(x);
    running = std::exchange(x.running, nullptr);
    early_jobs = std::exchange(x.early_jobs, {});
    wake_watchers(x, wakes);
  }
  if (running)
    running->drop();
  for (auto& job : early_jobs)
    give_or_drop(x, job);
  if (x.observer)
    x.observer->on_ended(x, untaken);
  if (x.care)
    supervision_.tell_ended(x);
}

// -- restarts -----------------------------------------------------------------

void registry::detach(run_record& x) {
  hosted* running = nullptr;
  {
    const guard lock{mutex_};
    running = std::exchange(x.running, nullptr);
    x.is_detached = true;
    if (x.phase == run_phase::running)
      x.phase = run_phase::starting;
  }
  if (running)
    running->drop();
}

void registry::suspended(run_record& x, suspension left,
                         std::vector<detail::job_ptr> jobs) {
  if (x.observer) {
    end_suspended(x, std::move(left), jobs);
    return;
  }
  {
    const guard lock{mutex_};
    x.is_suspended = true;
    jobs.insert(jobs.end(), x.early_jobs.begin(), x.early_jobs.end());
    x.early_jobs = std::move(jobs);
  }
  if (!x.care)
    return;
  supervision_.tell_suspended(x, std::move(left));
  // A stop that came before that was told to a supervisor that did not yet know
  // of anything to be ended.
  wake_list wakes;
  const guard lock{mutex_};
  if (x.stop_requested)
    supervision_.tell_stopped(x, wakes);
}

void registry::end_suspended(run_record& x, suspension left,
                             const std::vector<detail::job_ptr>& jobs) {
  {
    wake_list wakes;
    const guard lock{mutex_};
    x.phase = run_phase::ended;
    if (left.error)
      x.error = std::make_unique<failure>(*left.error);
    remove_live(x);
    wake_watchers(x, wakes);
  }
  // Its successor is in another process.
  for (auto& job : jobs)
    give_or_drop(x, job);
  x.observer->on_suspended(x, std::move(left));
}

void registry::restart(const record_ptr& x, std::vector<held_stream> held) {
  {
    const guard lock{mutex_};
    x->is_suspended = false;
    x->held = std::move(held);
    // The successor has not been asked for anything yet.
    x->early_signals &= ~wake::suspend;
    x->early_signals |= for_good_;
  }
  launch(x, true);
}

bool registry::is_told_to_stop(const run_record& x) const {
  const guard lock{mutex_};
  return x.stop_requested;
}

void registry::finish(run_record& x, const std::vector<held_stream>& held,
                      const failure* error) {
  bool passed_on = false;
  for (auto& stream : held)
    passed_on = stream.end(error) || passed_on;
  x.recipe.reset();
  ended(x, error, error && !passed_on);
}

void registry::remove_live(run_record& x) noexcept {
  (x.previous ? x.previous->next : first_live_) = x.next;
  if (x.next)
    x.next->previous = x.previous;
  x.previous = x.next = nullptr;
  --live_;
  if (x.kind == run_kind::passive)
    --live_passive_;
}

detail::target_ptr registry::deliver(run_record& x,
                                     const detail::job_ptr& job) {
  std::string gone;
  auto result = job_inbox::result::pushed;
  {
    wake_list wakes;
    const guard lock{mutex_};
    if (x.phase == run_phase::prepared)
      throw usage_error{shown_name(x)
                        + ": cannot be called before it was started"};
    if (x.phase == run_phase::ended) {
      result = job_inbox::result::closed;
    } else if (!x.running) {
      if (x.early_jobs.size() == job_inbox::limit)
        result = job_inbox::result::full;
      else
        x.early_jobs.push_back(job);
    } else if (auto elsewhere = x.running->route()) {
      return elsewhere;
    } else {
      result = x.running->give(job, wakes);
      if (result == job_inbox::result::closed && x.terms.on_failure) {
        // It is being suspended.
        x.early_jobs.push_back(job);
        result = job_inbox::result::pushed;
      }
    }
    if (result == job_inbox::result::closed)
      gone = how_ended(x);
    else if (result == job_inbox::result::full)
      gone = shown_name(x);
  }
  if (result == job_inbox::result::full)
    throw buffer_full{gone + ": " + std::to_string(job_inbox::limit)
                      + " calls wait for it; it is too slow for its callers"};
  if (result == job_inbox::result::closed && job->drop(gone))
    log(log_level::warning, logger, "a posted call was not made: " + gone);
  return nullptr;
}

void registry::give(run_record& x, const detail::job_ptr& job) {
  static_cast<void>(deliver(x, job));
}

void registry::send(run_record& x, const detail::call_ptr& call) {
  if (const auto elsewhere = deliver(x, call))
    elsewhere->send(call);
}

bool registry::is_here(const run_record& x) const {
  const guard lock{mutex_};
  return x.running && x.running->is_here();
}

void registry::visit(run_record& x,
                     const std::function<void(run_phase, hosted*)>& f) const {
  const guard lock{mutex_};
  f(x.phase, x.running);
}

detail::target_ptr registry::route_of(const run_record& x) const {
  const guard lock{mutex_};
  return x.running ? x.running->route() : nullptr;
}

std::string registry::how_ended(const run_record& x) {
  return shown_name(x) + " ended"
         + (x.error ? ", with " + x.error->describe() : std::string{});
}

void registry::stop(run_record& x) {
  notify(x, wake::stop);
}

void registry::notify(run_record& x, wake::bits what) {
  wake_list wakes;
  const guard lock{mutex_};
  signal(x, what, wakes);
}

void registry::signal(run_record& x, wake::bits what, wake_list& wakes) {
  if ((what & wake::stop) != 0)
    x.stop_requested = true;
  if (x.is_suspended && x.care && (what & wake::stop) != 0)
    supervision_.tell_stopped(x, wakes);
  if (x.running)
    x.running->notify(what, wakes);
  else
    x.early_signals |= what;
}

void registry::signal_all(wake::bits what) {
  wake_list wakes;
  const guard lock{mutex_};
  for (auto* x = first_live_; x; x = x->next)
    signal(*x, what, wakes);
}

void registry::signal_for_good(wake::bits what) {
  {
    const guard lock{mutex_};
    for_good_ |= what;
  }
  signal_all(what);
}

void registry::close_buffers() {
  {
    const guard lock{mutex_};
    buffers_closed_ = true;
  }
  for (auto& x : buffers())
    x->close_external();
}

bool registry::is_draining() const {
  const guard lock{mutex_};
  return for_good_ != 0;
}

// -- shutdown -----------------------------------------------------------------

void registry::note_endings() {
  const guard lock{mutex_};
  notes_endings_ = true;
}

std::pair<std::vector<registry::ending>, std::vector<registry::live_runnable>>
registry::endings() const {
  const guard lock{mutex_};
  return {endings_, live_locked()};
}

void registry::give_up() {
  const guard lock{mutex_};
  gave_up_ = true;
}

// -- faults -------------------------------------------------------------------

void registry::set_faults(std::shared_ptr<fault_plan> x) {
  const guard lock{mutex_};
  faults_ = std::move(x);
}

std::shared_ptr<fault_plan> registry::faults() const {
  const guard lock{mutex_};
  return faults_;
}

// -- status -------------------------------------------------------------------

detail::status_ptr* registry::find_status(run_record& x,
                                          const std::type_info& type) {
  for (auto& known : x.statuses)
    if (known->type() == type)
      return &known;
  return nullptr;
}

void registry::publish_status(run_record& x, detail::status_ptr status) {
  if (x.observer) {
    x.observer->on_status(x, std::move(status));
    return;
  }
  wake_list wakes;
  detail::status_ptr unread; // goes without the lock
  const guard lock{mutex_};
  if (auto* known = find_status(x, status->type()))
    unread = std::exchange(*known, std::move(status));
  else
    x.statuses.push_back(std::move(status));
  if (x.watchers != 0)
    waiting_.wake_all(wakes);
}

detail::status_ptr registry::take_status(run_record& x,
                                         const std::type_info& type) {
  detail::status_ptr result;
  const guard lock{mutex_};
  if (auto* known = find_status(x, type)) {
    result = std::move(*known);
    std::swap(*known, x.statuses.back());
    x.statuses.pop_back();
  }
  return result;
}

detail::status_ptr registry::wait_for_status(run_record& x,
                                             const std::type_info& type,
                                             time_point deadline) {
  wait_for_record(x, deadline, [&] {
    return x.phase == run_phase::ended || find_status(x, type) != nullptr;
  });
  return take_status(x, type);
}

// -- waiting ------------------------------------------------------------------

void registry::wake_watchers(const run_record& x, wake_list& wakes) noexcept {
  // Only when somebody's condition may hold now: a hundred thousand runnables
  // that end must not wake the thread that waits for the last one each time.
  const bool streams_over = live_ == live_passive_
                            && (x.kind != run_kind::passive || live_ == 0
                                || x.phase == run_phase::running);
  if (x.watchers != 0 || streams_over || !untaken_.empty())
    waiting_.wake_all(wakes);
}

template <class Predicate>
bool registry::wait_for_record(run_record& x, time_point deadline,
                               Predicate holds) {
  guard lock{mutex_};
  struct watch {
    run_record& record;
    explicit watch(run_record& r) : record(r) { ++record.watchers; }
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    ~watch() { --record.watchers; }
  };
  const watch watching{x};
  return waiting_.wait(lock, deadline, shown_name(x), holds);
}

bool registry::wait_until_running(run_record& x, time_point deadline) {
  return wait_for_record(x, deadline,
                         [&x] { return x.phase >= run_phase::running; });
}

bool registry::wait_until_ready(run_record& x, time_point deadline) {
  return wait_for_record(
    x, deadline, [&x] { return x.is_ready || x.phase == run_phase::ended; });
}

bool registry::wait_until_ended(run_record& x, time_point deadline) {
  return wait_for_record(x, deadline,
                         [&x] { return x.phase == run_phase::ended; });
}

registry::streams registry::wait_for_streams(time_point deadline) {
  guard lock{mutex_};
  const bool over = waiting_.wait(lock, deadline, "runtime", [this] {
    return live_ == live_passive_ || !untaken_.empty();
  });
  if (!over)
    return streams::timed_out;
  return untaken_.empty() ? streams::ended : streams::failed;
}

bool registry::wait_for_stream_ends(time_point deadline) {
  guard lock{mutex_};
  return waiting_.wait(lock, deadline, "runtime",
                       [this] { return live_ == live_passive_; });
}

bool registry::wait_for_all(time_point deadline) {
  guard lock{mutex_};
  return waiting_.wait(lock, deadline, "runtime",
                       [this] { return live_ == 0; });
}

time_point registry::teardown_deadline() {
  const auto now = current_time();
  const guard lock{mutex_};
  if (gave_up_)
    return now;
  if (!last_teardown_end_ || now > *last_teardown_end_ + teardown_gap)
    teardown_until_ = deadline_after(teardown_timeout);
  return teardown_until_;
}

void registry::teardown_done() {
  const auto now = current_time();
  const guard lock{mutex_};
  last_teardown_end_ = now;
}

bool registry::wait_for_teardown(run_record& x) {
  const bool result = wait_until_ended(x, teardown_deadline());
  teardown_done();
  return result;
}

bool registry::wait_for_shutdown() {
  const bool result = wait_for_all(teardown_deadline());
  teardown_done();
  return result;
}

// -- observers ----------------------------------------------------------------

std::string registry::shown_name(const run_record& x) {
  return "runnable '" + x.name + "'";
}

std::vector<registry::live_runnable> registry::live() const {
  const guard lock{mutex_};
  return live_locked();
}

std::vector<registry::live_runnable> registry::live_locked() const {
  std::vector<live_runnable> result;
  for (auto* x = first_live_; x; x = x->next)
    result.push_back({x->name, x->running ? x->running->current_activity()
                               : x->is_suspended ? "suspended"
                                                 : "starting"});
  std::reverse(result.begin(), result.end());
  return result;
}

std::string registry::display_name(const run_record& x) const {
  const guard lock{mutex_};
  return shown_name(x);
}

std::string registry::plain_name(const run_record& x) const {
  const guard lock{mutex_};
  return x.name;
}

bool registry::is_prepared(const run_record& x) const {
  const guard lock{mutex_};
  return x.phase == run_phase::prepared;
}

bool registry::is_alive(const run_record& x) const {
  const guard lock{mutex_};
  return x.phase == run_phase::starting || x.phase == run_phase::running;
}

std::optional<failure> registry::error_of(const run_record& x) const {
  const guard lock{mutex_};
  return x.error ? std::optional{*x.error} : std::nullopt;
}

std::string registry::activity_of(const run_record& x) const {
  const guard lock{mutex_};
  return x.running        ? x.running->current_activity()
         : x.is_suspended ? "suspended"
                          : "ended";
}

std::optional<failure> registry::claim_any() {
  const guard lock{mutex_};
  if (untaken_.empty())
    return std::nullopt;
  auto result = std::move(untaken_.front());
  untaken_.erase(untaken_.begin());
  failure_access::claim(result);
  return result;
}

std::optional<failure> registry::claim(const run_record& x) {
  const guard lock{mutex_};
  if (!x.error)
    return std::nullopt;
  const auto i = std::find_if(
    untaken_.begin(), untaken_.end(),
    [&x](const failure& y) { return y.id() == x.error->id(); });
  if (i == untaken_.end())
    return std::nullopt;
  auto result = std::move(*i);
  untaken_.erase(i);
  failure_access::claim(result);
  return result;
}

// -- buffers ------------------------------------------------------------------

void registry::adopt(const std::shared_ptr<queue>& x) {
  bool closed = false;
  {
    const guard lock{mutex_};
    closed = buffers_closed_;
    if (buffers_.size() >= prune_at_) {
      std::erase_if(buffers_, [](const auto& y) { return y.expired(); });
      prune_at_ = std::max<std::size_t>(64, 2 * buffers_.size());
    }
    buffers_.push_back(x);
  }
  if (closed)
    x->close_external();
}

std::vector<std::shared_ptr<queue>> registry::buffers() const {
  std::vector<std::shared_ptr<queue>> result;
  const guard lock{mutex_};
  for (auto& x : buffers_)
    if (auto ptr = x.lock())
      result.push_back(std::move(ptr));
  return result;
}

} // namespace puma::internal
