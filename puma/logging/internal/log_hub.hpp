// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/internal/level_table.hpp"
#include "puma/logging/internal/log_output.hpp"
#include "puma/logging/internal/log_queue.hpp"
#include "puma/logging/internal/log_record.hpp"
#include "puma/logging/logging.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/types.h>

namespace puma::internal {

/// Returns what follows the last slash.
[[nodiscard]] std::string_view base_name(std::string_view path) noexcept;

/// What a test has captured.
class log_capture {
 public:
  virtual ~log_capture() = default;

  /// Called by one thread at a time; must not log.
  virtual void on_line(const log_record& x) = 0;
};

/// Where a worker process leaves its lines; seen from the process that starts
/// it, which closes the descriptors when it has.
struct log_intake {
  std::uint64_t key = 0;
  std::string name; ///< Of the worker, in its lines.
  int queue = -1;   ///< The queue that the worker puts lines in.
  int wake = -1;    ///< To be written to when the reader sleeps.
  int output = -1;  ///< For the worker's standard output,
  int errors = -1;  ///< and its standard error.
};

/// The lines of this process and of those that it started: takes them from
/// their queues and what they print, and writes them, ordered by time. A worker
/// leaves them in its own queue, and so do workers that it starts itself.
///
/// *Threads.* All functions may be called from any thread. Those that may throw
/// throw `timeout_error` when a handler does not get on with writing.
///
/// *Lifetime.* One per process, for ever. After a fork the new process uses the
/// queue of its parent, until it has a runtime of its own.
class log_hub {
 public:
  using process_key = std::uint64_t;

  static log_hub& instance() noexcept;

  log_hub(const log_hub&) = delete;
  log_hub& operator=(const log_hub&) = delete;

  // -- lines ------------------------------------------------------------------

  [[nodiscard]] bool logs(log_level level, std::string_view logger) noexcept;

  /// Changes whenever levels do.
  [[nodiscard]] std::uint32_t generation() const noexcept;

  [[nodiscard]] log_level level_of(std::string_view logger) noexcept;

  [[nodiscard]] log_level lowest_level() noexcept;

  /// Takes a line without asking for its level.
  void submit(log_record& x) noexcept;

  /// Writes all that is there.
  void flush() noexcept;

  // -- configuration ----------------------------------------------------------

  void configure(log_config config);
  void override_level(std::string_view prefix, log_level level);
  void reset_levels();
  [[nodiscard]] logging::statistics stats();

  // -- processes --------------------------------------------------------------

  /// Makes what a new process of that name needs. Throws `error`.
  log_intake add_process(const std::string& name, bool captures_output);

  void process_started(process_key who, pid_t process) noexcept;

  /// Takes over what it left.
  void process_ended(process_key who) noexcept;

  /// Makes this process one that leaves its lines to another.
  void attach(int queue, int wake, const std::string& name);

  /// Makes a process that was forked one with an output of its own, configured
  /// as that of its parent.
  void own_again();

  // -- tests ------------------------------------------------------------------

  /// All lines go to `x` alone from now on, whatever their level.
  void begin_capture(std::shared_ptr<log_capture> x);

  void end_capture(const log_capture& x);

 private:
  using level_map = std::map<std::string, log_level, std::less<>>;

  struct source;
  struct stream;

  /// That a process has started, as which number, or ended.
  struct piece_of_news {
    process_key key;
    std::optional<pid_t> started;
  };

  /// What a pump takes: what nothing older can come before any more; all lines
  /// so far; and all that has been printed, too.
  enum class extent { what_is_due, all_lines, all };

  log_hub();

  void refresh() noexcept;
  [[nodiscard]] std::shared_ptr<const level_table> table();
  void check_is_owner(const char* what) const;

  // With the mutex of the pump:
  void publish_levels();
  bool pump_locked(extent how);
  bool take_lines(extent how);
  bool read_streams();
  bool read_stream(stream& x);
  void take_line(const stream& x, std::string_view text);
  void report_drops(source& x, bool at_once);
  void deliver(const source& from, log_record x);
  void take_news();

  [[nodiscard]] std::unique_lock<std::timed_mutex> lock_pump();
  void reconfigure(std::unique_ptr<log_output> output,
                   const std::function<void(level_map&)>& change);

  void before_fork() noexcept;
  void after_fork(bool is_child) noexcept;

  void pump_soon() noexcept;
  bool pump(extent how, std::chrono::milliseconds patience) noexcept;
  void start_thread() noexcept;
  void run() noexcept;
  void sleep(bool deeply);
  void wake() const noexcept;
  void wake_reader(log_queue::push_result x) const noexcept;
  void end() noexcept;

  const std::string host_;
  std::string own_name_;
  bool is_nested_ = false;           // a worker of a worker
  std::shared_ptr<log_queue> queue_; // of this process; null: out of memory
  std::atomic<bool> is_worker_{false};
  std::atomic<bool> is_ending_{false};
  int wake_ = -1;        // wakes this process's thread
  int owners_wake_ = -1; // wakes that of the owner, in a worker

  std::mutex table_mutex_;
  std::shared_ptr<const level_table> table_;
  std::atomic<std::uint32_t> known_generation_{0};
  std::atomic<log_level> lowest_{log_level::warning};

  std::timed_mutex pump_mutex_; // guards what follows
  std::unique_ptr<log_output> output_;
  level_map overrides_;
  std::vector<std::unique_ptr<source>> sources_; // the first one is `queue_`
  std::vector<std::unique_ptr<stream>> streams_;
  std::vector<std::shared_ptr<log_capture>> captures_;
  process_key last_key_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t gone_dropped_ = 0; // by processes that have ended

  std::atomic<bool> is_stalled_{false}; // somebody waited for it in vain
  bool forks_with_pump_ = false;
  bool inherits_output_ = false; // from the process that forked this one

  std::mutex news_mutex_;
  std::vector<piece_of_news> news_; // for the next pump

  std::mutex thread_mutex_;
  std::thread* thread_ = nullptr;
  std::atomic<bool> has_thread_{false};
};

} // namespace puma::internal
