// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"
#include "puma/actors/detail/references.hpp"
#include "puma/actors/internal/faults.hpp"
#include "puma/actors/internal/run_record.hpp"
#include "puma/actors/internal/ticker.hpp"
#include "puma/actors/runnable.hpp"
#include "puma/buffers/internal/inlet.hpp"
#include "puma/buffers/internal/outlet.hpp"
#include "puma/buffers/internal/party.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace puma::internal {

/// Hosts one runnable: owns the user object, decides when which hook runs, and
/// ends the runnable's streams when it is gone. Knows nothing of CAF: the actor
/// that derives from it says how a task is scheduled.
///
/// *Scheduling.* One word holds what the task was woken for and whether it is
/// scheduled. Whoever sets the first bit while it is not schedules it, once;
/// `run_slice` takes all bits, and gives the schedule back only if no more have
/// come. So there is one wake per idle-to-busy change, and no lost one.
///
/// *Threads.* `arm`, `signal` and `activity` may be called from any thread,
/// everything else only from within `run_slice`.
class task : public party, public hosted {
 public:
  using record_ptr = std::shared_ptr<run_record>;

  /// Starts in the scheduled state: whoever made it submits it once.
  task(record_ptr record, bool may_wait);

  task(const task&) = delete;
  task& operator=(const task&) = delete;

  /// What becomes of the task after a slice.
  enum class outcome {
    idle,  ///< It waits for a wake.
    again, ///< It has more to do: schedule it behind others.
    ended, ///< The runnable is gone.
  };

  /// Runs hooks for a bounded time.
  outcome run_slice();

  /// Wakes the task.
  void signal(wake::bits what) noexcept;

  /// Returns what the runnable is doing now, for reports.
  [[nodiscard]] const char* activity() const noexcept {
    return activity_.load(std::memory_order_relaxed);
  }

  // -- reference counting, by the actor ---------------------------------------

  virtual void retain() noexcept = 0;

  // -- implementation of hosted; `drop` is the actor's ------------------------

  void notify(wake::bits what, wake_list& wakes) noexcept override;
  [[nodiscard]] std::string current_activity() const override;
  detail::target_ptr route() override;
  job_inbox::result give(const detail::job_ptr& x,
                         wake_list& wakes) noexcept override;
  [[nodiscard]] bool is_here() const noexcept override;

  // -- for jobs, and within catch clauses of theirs ---------------------------

  /// The object of the runnable; null while it is constructed.
  [[nodiscard]] runnable* object() const noexcept { return object_.get(); }

  /// Says where its runnable is about to be made.
  void announce_object(const void* begin, std::size_t size) noexcept {
    object_place_ = {static_cast<const std::byte*>(begin), size};
    awaits_object_ = true;
  }

  /// Returns whether `x` is its runnable, which is just being made, the first
  /// time: others in it are parts.
  [[nodiscard]] bool claim(const runnable& x) noexcept {
    return awaits_object_ && makes(&x) && std::exchange(awaits_object_, false);
  }

  /// Returns whether its runnable is just being made, and `part` is in it.
  [[nodiscard]] bool makes(const void* part) const noexcept {
    const auto* const at = static_cast<const std::byte*>(part);
    const auto* const begin = object_place_.data();
    return !object_ && std::less_equal<>{}(begin, at)
           && std::less<>{}(at, begin + object_place_.size());
  }

  /// Returns the error that the exception being handled is; nothing if that
  /// says that the runnable was told to stop.
  [[nodiscard]] std::optional<failure> ending_here() const;

  /// Returns whether it is to end when the running hook returns.
  [[nodiscard]] bool is_told_to_stop() const noexcept {
    return stopping_
           || (bits_.load(std::memory_order_relaxed) & wake::stop) != 0;
  }

  /// Says what a job that does many things is doing now. `what` must last.
  void set_activity(const char* what) noexcept {
    activity_.store(what, std::memory_order_relaxed);
  }

  /// Returns kind and name, such as `runnable 'squarer'`.
  [[nodiscard]] std::string describe() const;

  /// Keeps an object for references to it, and returns one.
  detail::target_ptr keep(detail::kept_ptr x);

  /// Keeps an object that stands in for the runnable in calls.
  void stand_in(detail::kept_ptr x);

  /// Returns a reference to the runnable itself.
  [[nodiscard]] detail::target_ptr own_reference() const;

  /// Returns the address of an object that is kept; null if there is none of
  /// that number and type.
  [[nodiscard]] void* kept(std::uint64_t number,
                           const std::type_info& type) const;

  void let_go(std::uint64_t number);

  void publish_status(detail::status_ptr x);

  // -- for the runnable under this host ---------------------------------------

  /// Returns the number of the input, for the two below.
  std::size_t add_input(std::shared_ptr<queue> source,
                        const detail::input_ops& ops, void* subscriber);
  void hold_input(std::size_t number);
  void resume_input(std::size_t number);
  void await_room() noexcept;
  void require_input() noexcept;
  void set_source(source_runnable& x) noexcept;

  /// Returns the ticks of the runnable; made on first use.
  ticker& ticks();

  // -- implementation of party ------------------------------------------------

  bool arm(wake::bits what) noexcept override;
  void fire(urgency how) noexcept override;
  bool may_wait() const noexcept override;
  void wait(time_point deadline) override;
  void adopt(outlet& x) override;
  void forget(outlet& x) noexcept override;
  void output_blocked() noexcept override;
  wake_list& pending_wakes() noexcept override;
  void fire_pending_wakes() noexcept override;

 protected:
  ~task();

  /// Schedules the task; consumes one reference.
  virtual void submit(urgency how) noexcept = 0;

  /// Lets others run until the task is scheduled again, in the middle of a
  /// hook. Only under a wait_driver, which has no thread to put to sleep.
  virtual void suspend() = 0;

  /// Handles messages in the actor's mailbox. Returns false when the actor was
  /// told to quit.
  virtual bool handle_mail() = 0;

  /// To be called when a message could not be handled, before `handle_mail`
  /// returns false: that is what ends the runnable.
  void mail_failed(std::optional<failure> error);

  /// Lets go of what messages are answered with, in the runnable's scope.
  virtual void forget_handlers() noexcept = 0;

  /// The text with which an actor that watches this one learns of its end.
  [[nodiscard]] const std::string& exit_text() const noexcept {
    return exit_text_;
  }

 private:
  struct input;
  class activity_guard;
  class slice_clock;
  class scope;
  struct kept_objects;

  bool construct();
  void run_jobs();
  bool run_job();
  void run_last_jobs(std::optional<failure>& error);
  void run_jobs_while_waiting();
  void drop_jobs(const failure* error) noexcept;
  void take_signals(wake::bits seen) noexcept;
  outcome work();
  std::optional<outcome> interrupted();
  bool give_tick();
  outcome service_inputs(slice_clock& clock);
  std::optional<outcome> service_window(input& in, slice_clock& clock);
  outcome service_source(slice_clock& clock);
  input& input_at(std::size_t number);
  void give_room();
  bool drain_outboxes();
  bool outputs_have_room();
  bool any_output_live() const;
  void deliver_end(input& in, const failure* error);
  outcome end(std::optional<failure> error);
  [[nodiscard]] bool must_suspend(bool failed) const;
  outcome suspend(std::optional<failure> error);
  void take_over_streams();
  void tell_ready();
  bool ask_about(const failure& error) noexcept;
  std::optional<outcome> service_kept(input& in, slice_clock& clock);
  void destroy_object();
  void strike(const char* hook) {
    if (faults_)
      faults_->strike(hook);
  }
  void close_outputs(const failure* error, bool& passed_on);
  void pause() noexcept;
  failure failure_here() const;
  std::string describe_activity() const;

  static constexpr wake::bits scheduled = 1u << 0;
  static constexpr wake::bits parked = 1u << 1;
  static constexpr wake::bits blocked = 1u << 8;  // an outbox is not empty
  static constexpr wake::bits reshaped = 1u << 9; // ends came, went, or rest
  static constexpr wake::bits signals = wake::data | wake::room | wake::stop
                                        | wake::drain | wake::mail
                                        | wake::change | wake::tick | wake::job
                                        | wake::suspend;
  static constexpr wake::bits attention = wake::stop | wake::drain | wake::mail
                                          | wake::tick | wake::job
                                          | wake::suspend | blocked | reshaped;

  std::atomic<std::uint32_t> bits_;
  const bool may_wait_;
  bool awaits_object_ = false;
  bool stopping_ = false;
  bool draining_ = false;
  bool suspending_ = false;
  bool ready_told_ = false;
  bool needs_input_ = false;
  bool was_constructed_ = false;
  bool end_taken_ = false; // by an overridden on_complete
  bool own_error_ = false;
  bool in_job_ = false;
  bool wants_room_ = false; // the runnable wants `on_room`
  bool room_taken_ = false; // a hook that waited had the wake for that
  std::atomic<const char*> activity_{"waiting"};
  record_ptr record_;
  std::span<const std::byte> object_place_; // while it is made
  std::unique_ptr<runnable> object_;
  source_runnable* source_ = nullptr;
  std::unique_ptr<fault_counter> faults_; // that a test wants
  std::unique_ptr<ticker> ticker_;        // once it has an interval
  job_inbox jobs_;
  std::optional<value_in_hand> failed_value_; // is to be tried again
  std::optional<failure> job_error_; // of a job that ran in a hook that waits
  std::unique_ptr<kept_objects> kept_;
  std::vector<std::unique_ptr<input>> inputs_;
  std::size_t next_input_ = 0;
  std::size_t open_inputs_ = 0;
  input* current_input_ = nullptr;
  std::vector<outlet*> outputs_;
  std::uint32_t source_stride_ = 1;
  wake_list pending_;
  std::string exit_text_;
};

} // namespace puma::internal
