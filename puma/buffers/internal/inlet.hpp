// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/internal/party.hpp"
#include "puma/buffers/internal/queue.hpp"

namespace puma::internal {

/// The subscription's end of a queue: takes chunks whole and releases values
/// one by one.
///
/// *Threads.* To be used by one thread at a time.
class inlet : public detail::read_window {
 public:
  /// Subscribes; throws `usage_error` when the queue has a subscription.
  /// `owner` is the host that services it, or null: then it waits on behalf of
  /// whichever thread or dedicated runnable calls.
  ///
  /// With a `relay`, that is where it finds the values of `q`, whose seat is
  /// elsewhere.
  inlet(std::shared_ptr<queue> q, party* owner,
        std::shared_ptr<queue> relay = nullptr);

  inlet(const inlet&) = delete;
  inlet& operator=(const inlet&) = delete;

  /// Unsubscribes: values that were not released stay in the queue.
  ~inlet();

  /// To be called in place of the destructor: deletes `x`, or leaves that to
  /// the `wait` in which a call of the owner has run that closed it.
  static void close(inlet* x) noexcept;

  [[nodiscard]] queue& source() const noexcept { return *source_; }

  /// To be called when everything that came of the values released so far has
  /// left the owner's hands.
  void note_flushed() noexcept {
    if (source_ != queue_)
      queue_->flushed_.store(queue_->released_.load(std::memory_order_relaxed),
                             std::memory_order_release);
  }

  /// Makes the window non-empty if there are values. Otherwise says why not;
  /// on `empty`, and if `announce`, the owner is armed once that changes.
  receive_status refill(bool announce);

  /// As `refill`, but arms `who`, which must outlive this.
  receive_status refill_for(waker& who);

  /// As `refill`, but waits until `deadline`.
  receive_status wait(time_point deadline);

  /// Returns whether the queue has nothing for this owner: it waits for wakes.
  [[nodiscard]] bool idle() const noexcept { return idle_; }

  /// Tells that the owner was armed: there may be something now.
  void set_busy() noexcept { idle_ = false; }

  /// The count of values consumed so far, which only the owner changes.
  [[nodiscard]] std::atomic<std::uint64_t>& released() noexcept {
    return queue_->released_;
  }

  /// Counts `count` values, which the caller has destroyed, as consumed.
  void release(std::size_t count) noexcept {
    auto& counter = queue_->released_;
    counter.store(counter.load(std::memory_order_relaxed) + count,
                  std::memory_order_release);
  }

  /// Tells publishers elsewhere whether the owner is in a slice, after which it
  /// calls `offer_room`: until then few places are not worth their attention.
  void set_consuming(bool x) noexcept {
    if (queue_->consuming_.load(std::memory_order_relaxed) != x)
      queue_->consuming_.store(x, std::memory_order_relaxed);
  }

  /// Wakes publishers that wait for the room released so far.
  void offer_room(wake_list& wakes) noexcept;

  /// Puts values that were taken but not released back into the queue.
  void give_back() noexcept;

  /// The stream's error, after `failed`.
  [[nodiscard]] const failure& error() const noexcept;

 private:
  receive_status refill(waker* announce_to);
  void retire_current() noexcept;
  bool next_private_chunk() noexcept;

  void subscribe(queue& q);
  void unsubscribe(queue& q) noexcept;

  const std::shared_ptr<queue> source_;
  const std::shared_ptr<queue> queue_; // where the values are
  party* owner_;
  const bool one_by_one_; // the policy drops waiting values: take no more
  bool idle_ = false;
  bool close_wanted_ = false; // once nobody waits in it any more
  std::uint32_t waiting_ = 0; // calls of `wait`
  chunk* current_ = nullptr;  // chunk under the window
  chunk_list private_;        // taken, in order
  chunk_list spent_;          // empty, on their way back
};

} // namespace puma::internal
