// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/runtime.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/named_environment.hpp"

#include <caf/scheduler/abstract_coordinator.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace puma {

namespace {

/// What did not end by itself gets this long to finish the value in hand.
constexpr auto stop_time = std::chrono::seconds{1};

/// How often that is said again to those who have been started since.
constexpr auto stop_interval = std::chrono::milliseconds{100};

std::string names_of(const run_report& report) {
  std::string result;
  for (auto& x : report.still_alive) {
    if (!result.empty())
      result += ", ";
    result += "'" + x.name + "' in " + x.activity;
  }
  return result;
}

/// Stops what is left after the streams have ended or failed, and throws the
/// first error that nobody took.
void finish(internal::runtime_core& core) {
  auto& all = core.all();
  const auto deadline = internal::deadline_after(all.teardown_timeout);
  for (bool ended = false; !ended;) {
    // Again and again, because hooks may start more meanwhile.
    all.signal_all(internal::wake::stop);
    ended = all.wait_for_all(
      std::min(deadline, internal::deadline_after(stop_interval)));
    if (!ended && internal::current_time() >= deadline)
      throw still_alive_error{
        "runtime: still alive after they were told to stop: "
        + names_of(core.report())};
  }
  if (auto error = all.claim_any())
    error->rethrow();
}

void begin_drain(internal::registry& all) {
  all.close_buffers();
  all.signal_for_good(internal::wake::drain);
}

} // namespace

std::string run_report::to_string() const {
  std::string result;
  for (auto& x : still_alive)
    result += "runnable '" + x.name + "': still alive, in " + x.activity + "\n";
  for (auto& x : buffers) {
    const auto& s = x.stats;
    const auto add = [&result](const char* what, std::uint64_t n) {
      if (n != 0)
        result += std::string{", "} + what + " " + std::to_string(n);
    };
    result += "buffer '" + x.name + "': accepted " + std::to_string(s.accepted)
              + ", taken " + std::to_string(s.taken);
    add("waiting", s.waiting);
    add("dropped newest", s.dropped_newest);
    add("dropped oldest", s.dropped_oldest);
    add("refused", s.refused);
    add("after the end", s.after_end);
    add("left over", s.left_over);
    result += "\n";
  }
  return result;
}

runtime::runtime(runtime_options options)
  : core_(std::make_unique<internal::runtime_core>(options)) {}

runtime::runtime(std::unique_ptr<internal::runtime_core> core) noexcept
  : core_(std::move(core)) {}

runtime::~runtime() = default;

void runtime::join() {
  static_cast<void>(core_->all().wait_for_streams(internal::no_deadline));
  finish(*core_);
}

run_report runtime::join_for(std::chrono::nanoseconds timeout) {
  using streams = internal::registry::streams;
  const auto deadline = internal::deadline_after(timeout);
  if (core_->all().wait_for_streams(deadline) != streams::timed_out)
    finish(*core_);
  return core_->report();
}

run_report runtime::drain(std::chrono::nanoseconds timeout) {
  auto& all = core_->all();
  const auto deadline = internal::deadline_after(timeout);
  begin_drain(all);
  static_cast<void>(all.wait_for_stream_ends(deadline));
  all.signal_for_good(internal::wake::stop);
  static_cast<void>(
    all.wait_for_all(std::max(deadline, internal::deadline_after(stop_time))));
  return core_->report();
}

shutdown_report runtime::shutdown(const shutdown_options& options) {
  using ending = shutdown_report::ending;
  using step = shutdown_report::step;
  auto& all = core_->all();
  all.note_endings();
  // Kept until they have been counted.
  const auto buffers = all.buffers();
  shutdown_report result;
  begin_drain(all);
  if (!all.wait_for_stream_ends(internal::deadline_after(options.drain)))
    result.reached = step::stop;
  all.signal_for_good(internal::wake::stop);
  bool over = all.wait_for_all(internal::deadline_after(options.stop));
  if (!over) {
    result.reached = step::abort;
    core_->ask_for_activities();
    const failure aborted{std::make_exception_ptr(
      shutdown_aborted{"the runtime was shut down, and not everything stopped: "
                       + names_of(core_->report())})};
    for (auto& x : buffers)
      x->abort(aborted);
    over = all.wait_for_all(internal::deadline_after(options.abort));
  }
  if (!over && core_->kill_busy_processes()) {
    result.reached = step::kill;
    over = all.wait_for_all(internal::deadline_after(options.kill));
  }
  const auto [ended, live] = all.endings();
  for (auto& x : ended) {
    shutdown_report::runnable_end end{x.name, ending::completed, {}, {}};
    if (x.error) {
      end.how = x.was_killed ? ending::killed : ending::failed;
      end.error = x.error->describe();
      if (x.was_killed)
        end.activity = x.activity;
    } else if (x.was_stopped) {
      end.how = ending::stopped;
    }
    result.runnables.push_back(std::move(end));
  }
  for (auto& x : live)
    result.runnables.push_back({x.name, ending::hung, x.activity, {}});
  if (!over)
    all.give_up();
  for (auto& x : buffers)
    result.buffers.push_back(sum_up(x->name(), x->stats(), x->is_shared()));
  return result;
}

void runtime::stop() {
  core_->all().signal_all(internal::wake::stop);
}

bool runtime::is_draining() const {
  return core_->all().is_draining();
}

const std::vector<std::string>& runtime::args() const noexcept {
  return core_->args;
}

node runtime::connect(const std::string& address, node_options options) {
  node result{*this, address, std::move(options)};
  result.connect();
  return result;
}

node runtime::connect(const std::string& address) {
  return connect(address, {});
}

named_environment runtime::environment(const std::string& name) {
  return named_environment{*this, name};
}

std::size_t runtime::threads() const noexcept {
  return core_->system().scheduler().num_workers();
}

} // namespace puma
