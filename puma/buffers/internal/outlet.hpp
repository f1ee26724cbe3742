// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/internal/party.hpp"
#include "puma/buffers/internal/queue.hpp"

#include <atomic>

namespace puma::internal {

/// One publisher's end of a queue.
///
/// A *chunked* outlet (of a pooled runnable) reserves places in blocks, fills a
/// private chunk through its `write_window`, and hands it over when it is full
/// or flushed. A *direct* one (of plain threads, of dedicated runnables, and
/// under policies that act on the queue's content) appends each value at once;
/// its window is always empty.
///
/// *Threads.* To be used by one thread at a time.
class outlet : public detail::write_window {
 public:
  /// Opens a publisher. `owner` is null for plain threads.
  outlet(std::shared_ptr<queue> q, party* owner, publish_options options);

  outlet(const outlet&) = delete;
  outlet& operator=(const outlet&) = delete;

  /// Hands over everything unflushed; leaves the stream open.
  ~outlet();

  [[nodiscard]] queue& target() const noexcept { return *queue_; }

  /// Publishes the value at `value`, moving from it only when accepted. A
  /// chunked outlet does not wait, whatever the deadline.
  publish_result publish(void* value, time_point deadline);

  /// Publishes if that needs no wait; never drops, never throws `buffer_full`.
  publish_result try_publish(void* value);

  /// As `try_publish`, of a direct outlet; on `full`, `who` is armed once there
  /// is room, or nobody left to publish for. `who` must outlive this.
  publish_result try_publish_for(void* value, waker& who);

  /// Makes what was published visible to the subscription.
  void flush(wake_list& wakes) noexcept;

  /// Reserves a place if none is left. Returns false when the buffer is full,
  /// and then arms the owner once that changes.
  bool ensure_room();

  /// Returns whether a value could be published now without the outbox, or
  /// would be refused as `closed`; otherwise the owner is armed once that is
  /// so.
  bool await_room();

  /// Moves as much of the outbox as has room to the queue. Returns whether the
  /// outbox is empty; otherwise the owner is armed once there is room. Throws
  /// `buffer_full` when values that waited to learn how much room there is are
  /// refused.
  bool drain_outbox(wake_list& wakes);

  /// Ends this publisher's stream; everything unflushed goes before the end.
  void complete(wake_list& wakes);
  void fail(const failure& error, wake_list& wakes);

  /// Returns how many places are taken, as far as this process knows, and how
  /// many values wait for one in the outbox. 0 when the stream has ended.
  [[nodiscard]] std::size_t backlog() const;

  /// Returns whether values published here can still reach anyone.
  [[nodiscard]] bool live() const;

  [[nodiscard]] bool ended() const noexcept { return ended_; }

  [[nodiscard]] bool blocks() const noexcept {
    return policy_ == policy::block;
  }

  /// From the start to the end of a slice of the owner, values may come.
  void enter_scope() noexcept { in_scope_ = true; }

  void leave_scope() noexcept { in_scope_ = false; }

  /// To be called in place of the destructor: deletes `x`, or leaves that to
  /// the `publish` that is waiting, in which a call of the owner has run that
  /// closed it.
  static void close(outlet* x) noexcept;

  /// Tells the outlet that its owner is gone.
  void orphan() noexcept { owner_ = nullptr; }

 private:
  friend class queue;

  enum class policy { block, fail, warn, drop_newest, drop_oldest, latest };

  static policy policy_of(const queue& q, const publish_options& options);

  void check_usable() const;
  publish_result publish_direct(void* value, time_point deadline);
  publish_result publish_chunked(void* value, bool only_try);
  publish_result to_outbox(void* value);
  publish_result refuse(queue::guard& lock);
  void place(void* value) noexcept;
  void register_output_block();

  // All of the following need the queue's mutex.
  void sync_own() noexcept;
  void hand_over_own(wake_list& wakes) noexcept;
  void return_credit(wake_list& wakes) noexcept;
  void discard(chunk* x, bool behind_error) noexcept;
  void got_room() noexcept;
  [[noreturn]] void fail_as_full(std::uint64_t refused);
  std::uint64_t empty_outbox() noexcept;
  bool reserve(wake_list& wakes);
  bool reserve_or_wait(wake_list& wakes);
  void hand_over_everything(wake_list& wakes) noexcept;
  void close_end(wake_list& wakes) noexcept;

  std::shared_ptr<queue> queue_;
  party* owner_;
  const policy policy_;
  const bool chunked_;
  const bool external_; // opened by a plain thread
  bool ended_ = false;  // completed or failed by its owner
  bool in_scope_ = false;
  bool close_wanted_ = false; // once nobody waits in it any more
  std::uint32_t waiting_ = 0; // calls of `publish`
  // `wanted` is the size of the next chunk: it grows with the traffic.
  room_waiter wait_;
  chunk* own_ = nullptr;   // chunk being filled; uncommitted from begin to next
  std::size_t credit_ = 0; // places reserved, as of the last commit
  chunk_list outbox_;
  std::size_t outbox_count_ = 0;
  const std::size_t outbox_limit_;
};

} // namespace puma::internal
