// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/base/internal/parker.hpp"
#include "puma/base/internal/waker.hpp"
#include "puma/buffers/detail/window.hpp"
#include "puma/buffers/internal/chunk.hpp"
#include "puma/buffers/options.hpp"
#include "puma/buffers/status.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace puma::internal {

class inlet;
class outlet;
class port;

/// One who waits for room in a queue. All members but `was_woken` need the
/// queue's mutex.
struct room_waiter {
  bool waiting = false; // in the queue's list
  /// Woken, with room yet to be found or passed on. Written under the mutex.
  std::atomic<bool> was_woken{false};
  std::uint32_t wanted = 1; // places that it takes at once
  waker* who = nullptr;
  room_waiter* previous = nullptr;
  room_waiter* next = nullptr;
};

/// The bounded queue behind a buffer, for values of any one type.
///
/// Values lie in chunks of raw storage. Publishers fill chunks of their own and
/// hand them over whole, the subscription takes all chunks at once; one mutex
/// guards the hand-overs. Storage exists only while there are values, apart
/// from a few recycled chunks.
///
/// *Counting.* `reserved_` grows under the mutex when a publisher gets room,
/// `released_` grows without it, value by value, when the subscription is done
/// with one. Both only grow, and their difference is what is in flight; it
/// never exceeds the capacity, save for what a runnable had in its outbox when
/// it ended.
///
/// *Waking.* Whoever finds the queue empty or full registers as waiting, under
/// the mutex, and is armed by the one who changes that. The subscription
/// releases without the mutex: it calls `offer_room` when it pauses.
///
/// *Between processes.* Each process that shares a buffer has such a queue of
/// it. One of them is the buffer's *seat*, where the subscription is; the
/// others are *away*: what is published there has its place reserved at the
/// seat, and their port takes it on. Away, `released_` counts the places that
/// the seat has granted, and `bound_` is 0, so that room is what was granted
/// and not used yet.
class queue : public std::enable_shared_from_this<queue> {
 public:
  /// What the queue reports to the layer above, which can log.
  enum class event {
    dropped_newest,
    dropped_oldest,
    left_over,
    after_end,
    gone_in_use,
  };
  using listener = void (*)(const queue& self, event what, std::uint64_t count);

  /// @pre `capacity >= 1`
  queue(std::string name, std::size_t capacity, const detail::value_ops& ops,
        buffer_options options, listener notify);

  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;

  ~queue();

  // -- observers --------------------------------------------------------------

  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  [[nodiscard]] const detail::value_ops& ops() const noexcept { return ops_; }

  [[nodiscard]] const buffer_options& options() const noexcept {
    return options_;
  }

  [[nodiscard]] buffer_stats stats() const;

  /// Returns whether somebody receives, here or in another process.
  [[nodiscard]] bool is_subscribed() const;

  /// Returns the most values that one chunk holds.
  [[nodiscard]] std::uint32_t chunk_limit() const noexcept {
    return chunk_limit_;
  }

  // -- the life of the stream -------------------------------------------------

  /// Holds the stream open on behalf of a publisher that may yet be opened.
  void add_token();

  /// Drops a token. A given `error` fails the stream unless another publisher
  /// or token holds it open: the party that should have published is gone.
  void drop_token(const failure* error = nullptr);

  /// Drops a token as if its publisher had completed: the party was stopped
  /// before it could open one.
  void complete_token();

  /// Drops a token as if its publisher had failed: at once, whoever else
  /// publishes. Returns whether that could still reach anyone.
  bool fail_token(const failure& error);

  /// Fails the stream if it is open, and its queue is in this process.
  void abort(const failure& error);

  /// Returns whether other processes have handles of the buffer.
  [[nodiscard]] bool is_shared() const;

  /// Moves the first value out, to uninitialised memory, if there is one and
  /// nobody is subscribed. To be destroyed, or put back.
  enum class take_result { taken, none, later };
  take_result take_first(void* to);

  /// Publishes a value on behalf of the runtime, also when plain threads may
  /// not any more. Never waits and never drops; moves from it when accepted.
  publish_result try_append(void* value);

  /// Counts what became of a value that was taken.
  void count_skipped();
  void count_dead_letter();
  void count_failed();

  /// Undoes `take_first`; moves from `value`.
  void put_first(void* value);

  /// Ends the streams of all plain-thread publishers: what they published
  /// stays, further values are `closed`.
  void close_external();

  /// Counts handles, to notice that the last one goes while ends are open.
  void add_handle() noexcept;
  void drop_handle() noexcept;

 private:
  friend class inlet;
  friend class outlet;
  friend class port;

  enum class ending { open, completed, failed };

  /// Drops of one kind: how many have yet to be reported, and from when on.
  struct drop_report {
    std::uint64_t pending = 0;
    time_point due = time_point::min();
  };

  using guard = std::unique_lock<std::mutex>;

  // All of the following need the mutex.
  [[nodiscard]] std::size_t room() const noexcept;
  [[nodiscard]] bool unreachable(const outlet& from) const noexcept;
  chunk* get_chunk(std::uint32_t wanted);
  void recycle(chunk* x) noexcept;
  /// Links `x` or moves its values into the last chunk. Returns the chunk when
  /// the caller may go on with it, now empty.
  chunk* append(chunk* x, wake_list& wakes) noexcept;
  /// Returns the place for one more value at the tail, and counts it.
  std::byte* append_place(wake_list& wakes);
  void drop_oldest_beyond(std::uint64_t allowed) noexcept;
  void wake_consumer(wake_list& wakes) noexcept;
  void wake_waiters(wake_list& wakes) noexcept;
  void wake_all_waiters(wake_list& wakes) noexcept;
  /// Puts `x`, whose `who` is set, into the list of those who wait. The caller
  /// has to look for room once more afterwards.
  void add_waiter(room_waiter& x, wake_list& wakes) noexcept;
  void remove_waiter(room_waiter& x) noexcept;
  /// Tells the port that publishers, tokens, the subscription or the end of the
  /// stream have changed.
  void changed(wake_list& wakes) noexcept;
  void end_if_done(wake_list& wakes);
  void end_with(const failure& error, wake_list& wakes);

  /// Counts `count` drops and unlocks; reports now and then what they add up
  /// to.
  void report_drops(event what, std::uint64_t count, guard& lock);

  const std::string name_;
  const detail::value_ops& ops_;
  const std::uint64_t capacity_;
  const buffer_options options_;
  const std::uint32_t chunk_limit_;
  const listener notify_;

  mutable std::mutex mutex_;
  chunk_list listed_; // handed over, not yet taken
  std::uint64_t listed_count_ = 0;
  chunk* spare_ = nullptr; // recycled storage
  std::uint32_t spare_count_ = 0;
  ending ending_ = ending::open;
  bool consumer_waits_ = false;
  bool external_closed_ = false;
  bool external_seen_ = false; // a plain thread has opened a publisher
  std::uint64_t reserved_ = 0;
  waker* consumer_waker_ = nullptr;
  inlet* inlet_ = nullptr;
  room_waiter* first_waiter_ = nullptr;
  room_waiter* last_waiter_ = nullptr;
  std::uint32_t publishers_ = 0; // open ones
  std::uint32_t externals_ = 0;  // those among them that plain threads own
  std::uint32_t tokens_ = 0;
  std::uint32_t completed_ = 0;
  std::uint32_t handles_ = 0;
  std::unique_ptr<failure> error_;
  std::unique_ptr<failure> token_error_; // of a publisher that never came
  std::unique_ptr<failure>
    refusal_;              // of the subscription, by the buffer's home
  std::uint64_t sent_ = 0; // away: values that have gone, as `reserved_` counts
  std::uint64_t taken_before_ = 0; // values that left other than by `released_`
  std::uint64_t seat_base_ = 0;    // `released_` when the seat came here
  buffer_stats stats_;
  drop_report newest_report_;
  drop_report oldest_report_;
  waker* port_ = nullptr; // links this queue with those of other processes
  bool frozen_ = false;   // nothing may be taken: the seat is about to move
  bool subscribed_elsewhere_ = false; // in another process
  bool away_ = false;                 // the buffer's seat is in another process
  bool opening_ = false;              // away, without the first grant
  bool port_waits_ = false;           // for values to take on
  bool recalled_ = false;             // away: the seat wants idle places back
  std::uint64_t bound_;               // the capacity at the seat, otherwise 0

  // Of values taken, those whose consequences have left the consumer's hands;
  // kept up to date for relayed subscriptions only.
  std::atomic<std::uint64_t> flushed_{0};

  // The consumer is in a slice, and calls `offer_room` at its end.
  std::atomic<bool> consuming_{false};

  // Written by the consumer alone, and often: on a line of its own.
  alignas(64) std::atomic<std::uint64_t> released_{0};
  // Written by publishers that wait, read by the consumer: rarely changes.
  std::atomic<bool> room_wanted_{false};
};

} // namespace puma::internal
