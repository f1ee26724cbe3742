// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/faults.hpp"
#include "puma/actors/internal/run_record.hpp"
#include "puma/actors/internal/supervision.hpp"
#include "puma/base/internal/alarm_clock.hpp"
#include "puma/base/internal/parker.hpp"
#include "puma/buffers/internal/queue.hpp"
#include "puma/buffers/internal/waiting.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <typeinfo>
#include <vector>

namespace puma::internal {

/// Knows every runnable and buffer of one runtime, and every error that nobody
/// has taken yet. Shared by the runtime, the runners and the hosts, so that a
/// runner may outlive its runtime.
///
/// *Threads.* All functions may be called from any thread.
class registry : public std::enable_shared_from_this<registry> {
 public:
  using record_ptr = std::shared_ptr<run_record>;

  /// Refuses to start more: the runtime is going.
  void close();

  // -- the life of a runnable -------------------------------------------------

  /// Throws when `starter` cannot start the runnable.
  record_ptr prepare(std::shared_ptr<run_starter> starter, bool own_thread,
                     detail::recipe_ptr recipe,
                     std::shared_ptr<run_observer> observer = nullptr,
                     std::shared_ptr<supervised> care = nullptr,
                     restart_terms terms = {});

  /// Starts a prepared runnable.
  void start(const record_ptr& x);

  /// Makes known where the runnable is, unless that is known already. Takes
  /// over a reference. Called when it has been started, and by a host before
  /// its first hook, whichever comes first.
  /// `instance` is the one that was started, or 0 for the only one there is.
  void attach(run_record& x, hosted& running, std::uint64_t instance = 0);

  /// Called by the host once the runnable exists. Returns what is to go wrong,
  /// or null.
  std::shared_ptr<fault_plan> constructed(run_record& x, std::string name,
                                          run_kind kind);

  /// Called when a supervised runnable has been through `on_start`, or waits in
  /// it; with the buffers that it uses.
  void ready(run_record& x, std::vector<const queue*> inputs,
             std::vector<const queue*> outputs);

  /// Called by the host when `error` has ended the runnable, and it is about to
  /// go.
  void failing(run_record& x, const failure& error);

  /// Called by the host when the runnable is gone. `error` is what ended it;
  /// `untaken` says that it now belongs to the owner.
  void ended(run_record& x, const failure* error, bool untaken);

  // -- restarts ---------------------------------------------------------------

  /// Called by a host that is about to end and leave its streams open: from now
  /// on jobs wait for the successor.
  void detach(run_record& x);

  /// Called by the host when the object is gone. Those of `jobs` that were not
  /// made are the successor's.
  void suspended(run_record& x, suspension left,
                 std::vector<detail::job_ptr> jobs);

  /// Starts a successor, which gets the streams of `held`.
  void restart(const record_ptr& x, std::vector<held_stream> held);

  /// Ends for good what was suspended: its streams complete, or fail with
  /// `error`.
  void finish(run_record& x, const std::vector<held_stream>& held,
              const failure* error);

  /// Returns whether the owner wants it to end.
  [[nodiscard]] bool is_told_to_stop(const run_record& x) const;

  [[nodiscard]] supervision& supervisors() noexcept { return supervision_; }

  /// Tells a runnable to stop.
  void stop(run_record& x);

  /// Lets a runnable know of `what`.
  void notify(run_record& x, wake::bits what);

  /// Gives a job to the runnable, or drops it if that has ended. Throws
  /// `usage_error` before the start, and `buffer_full` when too many wait.
  void give(run_record& x, const detail::job_ptr& job);

  /// Sends a call, as `give` does, to wherever the runnable is.
  void send(run_record& x, const detail::call_ptr& call);

  [[nodiscard]] bool is_here(const run_record& x) const;

  /// Calls `f` under the lock, with the host if there is one.
  void visit(run_record& x,
             const std::function<void(run_phase, hosted*)>& f) const;

  /// Returns where its calls go while it runs in another process; else null.
  [[nodiscard]] detail::target_ptr route_of(const run_record& x) const;

  /// Signals all live runnables.
  void signal_all(wake::bits what);

  /// Signals all runnables, and those that are started from now on.
  void signal_for_good(wake::bits what);

  /// Ends plain-thread publishers of all buffers, now and from now on.
  void close_buffers();

  [[nodiscard]] bool is_draining() const;

  // -- shutdown ---------------------------------------------------------------

  struct live_runnable {
    std::string name;
    std::string activity;
  };

  /// How a runnable ended.
  struct ending {
    std::string name;
    std::string activity; ///< What it was doing, as far as is known.
    bool was_stopped = false;
    bool was_killed = false; ///< Its process is gone.
    std::optional<failure> error;
  };

  /// Remembers how runnables end from now on.
  void note_endings();

  /// Returns those that have ended, and those that are alive, as of one moment.
  [[nodiscard]] std::pair<std::vector<ending>, std::vector<live_runnable>>
  endings() const;

  /// Nothing that is still alive will end: teardowns do not wait for it.
  void give_up();

  // -- faults, for tests ------------------------------------------------------

  void set_faults(std::shared_ptr<fault_plan> x);
  [[nodiscard]] std::shared_ptr<fault_plan> faults() const;

  // -- status -----------------------------------------------------------------

  /// Called by the host, or where a status arrives from another process.
  void publish_status(run_record& x, detail::status_ptr status);

  /// Returns the latest one of a type, or null.
  detail::status_ptr take_status(run_record& x, const std::type_info& type);

  /// As above, after it has waited for one, or for the end.
  detail::status_ptr wait_for_status(run_record& x, const std::type_info& type,
                                     time_point deadline);

  // -- waiting ----------------------------------------------------------------

  bool wait_until_running(run_record& x, time_point deadline);
  bool wait_until_ready(run_record& x, time_point deadline);
  bool wait_until_ended(run_record& x, time_point deadline);

  /// What `wait_for_streams` ran into.
  enum class streams { ended, failed, timed_out };

  /// Waits until no stream runnable is alive, or somebody fails and nobody
  /// takes the error.
  streams wait_for_streams(time_point deadline);

  /// Waits until no stream runnable is alive, whatever happens to others.
  bool wait_for_stream_ends(time_point deadline);

  /// Waits until nothing is alive.
  bool wait_for_all(time_point deadline);

  /// As `wait_until_ended`, for a runner that goes: all that go in a row share
  /// one time limit.
  bool wait_for_teardown(run_record& x);

  /// Waits until nothing is alive, within the same limit.
  bool wait_for_shutdown();

  // -- observers --------------------------------------------------------------

  [[nodiscard]] std::vector<live_runnable> live() const;
  [[nodiscard]] std::string display_name(const run_record& x) const;
  [[nodiscard]] std::string plain_name(const run_record& x) const;
  [[nodiscard]] bool is_prepared(const run_record& x) const;
  [[nodiscard]] bool is_alive(const run_record& x) const;
  [[nodiscard]] std::optional<failure> error_of(const run_record& x) const;
  [[nodiscard]] std::vector<live_runnable> live_locked() const;
  [[nodiscard]] std::string activity_of(const run_record& x) const;

  /// Returns an error that nobody has taken, and takes it; nothing if none.
  std::optional<failure> claim_any();

  /// Takes `x`'s error if it is still to be thrown.
  std::optional<failure> claim(const run_record& x);

  // -- buffers ----------------------------------------------------------------

  void adopt(const std::shared_ptr<queue>& x);
  [[nodiscard]] std::vector<std::shared_ptr<queue>> buffers() const;

  /// What wakes runnables for their ticks.
  [[nodiscard]] alarm_clock& alarms() noexcept { return alarms_; }

  std::chrono::nanoseconds teardown_timeout{std::chrono::seconds{30}};

 private:
  using guard = std::unique_lock<std::mutex>;

  [[nodiscard]] static std::string shown_name(const run_record& x);
  time_point teardown_deadline();
  void teardown_done();
  void signal(run_record& x, wake::bits what, wake_list& wakes);
  void launch(const record_ptr& x, bool again);
  void end_suspended(run_record& x, suspension left,
                     const std::vector<detail::job_ptr>& jobs);
  void give_or_drop(run_record& x, const detail::job_ptr& job);
  detail::target_ptr deliver(run_record& x, const detail::job_ptr& job);
  [[nodiscard]] static std::string how_ended(const run_record& x);
  void remove_live(run_record& x) noexcept;
  template <class Predicate>
  bool wait_for_record(run_record& x, time_point deadline, Predicate holds);
  static detail::status_ptr* find_status(run_record& x,
                                         const std::type_info& type);
  void wake_watchers(const run_record& x, wake_list& wakes) noexcept;

  mutable std::mutex mutex_;
  waiting_list waiting_;
  run_record* first_live_ = nullptr;
  std::size_t live_ = 0;
  std::size_t live_passive_ = 0;
  std::vector<failure> untaken_;
  std::vector<std::weak_ptr<queue>> buffers_;
  std::size_t prune_at_ = 64;
  bool buffers_closed_ = false;
  wake::bits for_good_ = 0;     // signals that everything gets at its start
  time_point teardown_until_{}; // of the teardowns in a row
  std::optional<time_point> last_teardown_end_; // tells where a row ends
  bool closed_ = false;
  bool gave_up_ = false;
  bool notes_endings_ = false;
  std::vector<ending> endings_;
  std::shared_ptr<fault_plan> faults_;
  alarm_clock alarms_;
  supervision supervision_{*this};
};

} // namespace puma::internal
