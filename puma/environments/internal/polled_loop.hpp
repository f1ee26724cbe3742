// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/idle_poller.hpp"
#include "puma/environments/internal/io_loop.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace puma::internal {

/// Watches descriptors on behalf of another loop, unless workers of the
/// scheduler do so themselves: who waits for what another process sends then
/// reads it at once, where otherwise two threads would have to be woken.
///
/// While workers attend, this loop's thread is not woken by what comes in. It
/// looks every `tick` whether somebody still polls, lest a worker with a long
/// job keeps what it attends to waiting.
///
/// *Threads.* All functions may be called from any thread. Clients are told by
/// the other loop's thread or by a worker, never by two at once.
class polled_loop final : public io_loop,
                          public idle_poller,
                          public std::enable_shared_from_this<polled_loop> {
 public:
  /// `base` must live until `stop` has returned.
  static std::shared_ptr<polled_loop> make(io_loop& base);

  explicit polled_loop(io_loop& base);

  polled_loop(const polled_loop&) = delete;
  polled_loop& operator=(const polled_loop&) = delete;

  ~polled_loop() override;

  /// Leaves the other loop. All descriptors must have been removed before.
  void stop();

  // -- implementation of io_loop ----------------------------------------------

  handle_ptr watch(int descriptor, std::shared_ptr<io_client> client) override;
  void start(const handle_ptr& x) override;
  void post(std::function<void()> what) override;

  // -- implementation of idle_poller ------------------------------------------

  cycles attend() noexcept override;
  [[nodiscard]] bool attended() const noexcept override {
    return attended_.load(std::memory_order_relaxed);
  }
  bool poll() noexcept override;
  void leave() noexcept override;
  void note_crowd() noexcept override;
  void note_miss() noexcept override;

 private:
  class entry;
  class watcher;

  void begin();
  void round();
  bool handle_events();
  void bury();
  void on_tick();
  void set_attended(bool x) noexcept; // with mask_mutex_ locked

  io_loop& base_;
  const int set_;   // of all descriptors
  const int outer_; // holds `set_`, unless workers attend; owned by base_
  const int tick_;  // while attended; owned by base_
  handle_ptr outer_handle_;
  handle_ptr tick_handle_;

  std::mutex round_mutex_; // locked while clients are told something

  std::mutex mutex_;
  std::set<std::shared_ptr<entry>> entries_;
  std::vector<std::shared_ptr<entry>> removed_;
  std::atomic<std::size_t> count_{0};

  std::mutex mask_mutex_;
  std::atomic<bool> attended_{false};
  bool ticking_ = false; // guarded by mask_mutex_, as the next
  int tick_factor_ = 1;
  std::atomic<std::uint32_t> polls_{0};
  std::uint32_t polls_seen_ = 0;
  std::atomic<std::uint32_t> misses_{0}; // in a row
  std::atomic<cycles> last_event_{0};
  std::atomic<cycles> crowded_{0}; // when it was last
  std::atomic<cycles> rest_{0};    // since then
  bool stopped_ = false;
};

} // namespace puma::internal
