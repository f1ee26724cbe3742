// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/call_core.hpp"

#include "puma/actors/internal/task.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/logging/log.hpp"

#include <utility>

namespace puma::detail {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr const char* logger = "puma.calls";

/// More calls of one method in a second are worth a warning.
constexpr std::uint32_t many_calls = 3;

/// A call that takes longer is worth a warning.
constexpr seconds long_call{1};

void count_call(method_info& method) {
  auto& traffic = method.traffic;
  if (traffic.said_frequent.load(std::memory_order_relaxed))
    return;
  const auto now = nanoseconds{internal::current_time().time_since_epoch()};
  const nanoseconds begin{traffic.window.load(std::memory_order_relaxed)};
  if (now < begin || now - begin >= seconds{1}) {
    traffic.window.store(now.count(), std::memory_order_relaxed);
    traffic.count.store(1, std::memory_order_relaxed);
  } else if (traffic.count.fetch_add(1, std::memory_order_relaxed) >= many_calls
             && !traffic.said_frequent.exchange(true)) {
    log(log_level::warning, logger,
        "call of '" + method.name + "': comes more than "
          + std::to_string(many_calls)
          + " times a second; a buffer carries frequent values better (said "
            "once for each method)");
  }
}

void check_duration(method_info& method, nanoseconds took) {
  if (took > long_call && !method.traffic.said_slow.exchange(true))
    log(log_level::warning, logger,
        "call of '" + method.name + "': took "
          + std::to_string(
            std::chrono::duration_cast<std::chrono::milliseconds>(took).count())
          + " ms, during which the runnable does nothing else (said once for "
            "each method)");
}

/// Refuses to wait where that would hold up others.
void check_may_wait(const call_target& to, const call_core& x) {
  if (auto* running = internal::party::current();
      running && !running->may_wait())
    throw usage_error{
      "call of '" + x.method().name + "' on " + to.describe()
      + ": a pooled runnable must not wait for the answer; use "
        "async<...>(...).then(...), or start the runnable as dedicated"};
}

} // namespace

// -- the caller's side --------------------------------------------------------

bool call_core::ready() const noexcept {
  return phase_.load(std::memory_order_acquire) == phase::settled;
}

bool call_core::wait(std::chrono::steady_clock::time_point deadline) {
  auto* running = internal::party::current();
  while (!ready()) {
    if (deadline != internal::no_deadline
        && internal::current_time() >= deadline)
      return false;
    {
      const std::lock_guard guard{mutex_};
      if (ready())
        return true;
      waiter_ = running ? static_cast<internal::waker*>(running)
                        : &internal::parker::of_this_thread();
    }
    // Nobody may wake this thread once it has gone on.
    struct withdrawal {
      call_core& self;
      ~withdrawal() {
        const std::lock_guard guard{self.mutex_};
        self.waiter_ = nullptr;
      }
    };
    const withdrawal at_end{*this};
    if (running)
      running->wait(deadline);
    else
      internal::sleep_until_armed(deadline);
  }
  return true;
}

void call_core::check() const {
  if (const auto* x = error())
    x->rethrow();
}

const failure* call_core::error() const noexcept {
  if (!error_)
    return nullptr;
  error_seen_.store(true, std::memory_order_relaxed);
  return &*error_;
}

bool call_core::has_unseen_error() const noexcept {
  return error_ && !error_seen_.load(std::memory_order_relaxed);
}

bool call_core::begin() noexcept {
  auto expected = phase::sent;
  return phase_.compare_exchange_strong(expected, phase::running,
                                        std::memory_order_acq_rel);
}

bool call_core::give_up() noexcept {
  auto expected = phase::sent;
  return phase_.compare_exchange_strong(expected, phase::settled,
                                        std::memory_order_acq_rel);
}

void call_core::when_ready(std::function<void()> listener) {
  {
    const std::lock_guard guard{mutex_};
    if (!ready()) {
      listener_ = std::move(listener);
      return;
    }
  }
  listener();
}

void start_call(call_target& to, const call_ptr& x) {
  if (x->how() == call_core::mode::answered)
    count_call(x->method());
  x->object = to.object();
  to.send(x);
}

void make_call(call_target& to, const call_ptr& x, nanoseconds timeout) {
  if (to.is_here()) {
    x->object = to.object();
    x->run(running_host());
    return x->check();
  }
  check_may_wait(to, *x);
  start_call(to, x);
  await_answer(to, *x, timeout);
}

void await_answer(const call_target& to, call_core& x, nanoseconds timeout) {
  if (!x.ready()) {
    check_may_wait(to, x);
    if (!x.wait(internal::deadline_after(timeout))) {
      x.give_up();
      const auto doing = to.current_activity();
      throw timeout_error{
        "call of '" + x.method().name + "' on " + to.describe()
        + ": no answer within "
        + std::to_string(
          std::chrono::duration_cast<std::chrono::milliseconds>(timeout)
            .count())
        + " ms" + (doing.empty() ? "" : "; it is in " + doing)};
    }
  }
  x.check();
}

void continue_with(call_core& x, const job_ptr& job) {
  auto* self = dynamic_cast<internal::task*>(internal::party::current());
  if (!self)
    throw usage_error{"call of '" + x.method().name
                      + "': 'then' continues in a runnable, and can only be "
                        "used in its hooks; elsewhere, wait with 'get'"};
  // The task outlives this function, since one of its hooks has called it;
  // from then on, this keeps it.
  struct reference {
    internal::task* task;
    explicit reference(internal::task* x) : task(x) { task->retain(); }
    reference(const reference& other) : task(other.task) { task->retain(); }
    reference& operator=(const reference&) = delete;
    ~reference() { task->drop(); }
  };
  x.when_ready([to = reference{self}, job, alive = x.shared_from_this()] {
    internal::wake_list wakes;
    // A runnable that has ended needs no answers. One that has too many jobs
    // has itself asked for them.
    if (to.task->give(job, wakes) == internal::job_inbox::result::full)
      log(log_level::error, logger,
          "call of '" + alive->method().name
            + "': the answer is lost, because too much waits for the caller");
  });
}

// -- the other side -----------------------------------------------------------

void call_core::run(internal::task& where) {
  if (!begin())
    return; // nobody wants it any more
  const auto started = internal::current_time();
  try {
    execute(where);
    settle();
  } catch (...) {
    const auto error = where.ending_here();
    if (error)
      settle(*error);
    else
      drop(where.describe() + " was told to stop");
    if (!error || mode_ == mode::one_way)
      throw;
  }
  check_duration(method_, internal::current_time() - started);
}

bool call_core::drop(const std::string& why) noexcept {
  if (ready())
    return false; // given up
  settle(failure{std::make_exception_ptr(runnable_ended{
    "call of '" + method_.name + "': " + why + " before it answered"})});
  return mode_ == mode::one_way;
}

void call_core::finish(const failure* error) {
  std::function<void()> listener;
  {
    internal::wake_list wakes;
    const std::lock_guard guard{mutex_};
    if (ready())
      return;
    if (error)
      error_ = *error;
    phase_.store(phase::settled, std::memory_order_release);
    if (waiter_)
      wakes.add(*waiter_, internal::wake::change);
    listener = std::move(listener_);
  }
  if (listener)
    listener();
}

// -- in the scope -------------------------------------------------------------

runnable& runnable_in(internal::task& where) {
  if (!where.object())
    throw usage_error{where.describe()
                      + ": cannot be called before its constructor returns"};
  return *where.object();
}

void* object_in(internal::task& where, std::uint64_t number,
                const std::type_info& type) {
  return where.kept(number, type);
}

void throw_used_up() {
  throw usage_error{"future: its answer has been taken already"};
}

void throw_refers_to_nothing() {
  throw usage_error{"remote: refers to nothing; it was never set"};
}

void throw_wrong_type(internal::task& where, const method_info& method) {
  throw usage_error{"call of '" + method.name + "': " + where.describe()
                    + " is, or keeps, no object of that class"};
}

} // namespace puma::detail
