// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include <pthread.h>

namespace puma::internal {

/// Memory that a process shares with all processes that come of it: slots for
/// the primitives that may cross. One process makes it and hands it down.
///
/// *Lifetime of a slot.* Each process notes in a row of its own which slots it
/// uses. The kernel knows which rows have a living owner, by a lock on the
/// file, so that a killed process leaves nothing behind that would have to be
/// tidied up. A slot that no living process uses, and no handle on its way
/// denotes, is free; that is found out when slots are needed.
///
/// *Handles on their way.* They are counted. As the count is wrong when a
/// process dies with some of them, it is not believed any more when nobody has
/// used the slot for `most_transit`.
///
/// *Threads.* All functions may be called from any thread. None takes a lock
/// that other processes would wait for. A process that is forked, and goes on
/// without another program, gets a row of its own, with what its parent used.
class shared_arena {
 public:
  /// For what a single word holds, and for values that are encoded.
  enum class size_class { word, text };

  /// Names a slot, and tells its uses apart.
  struct place {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
  };

  static constexpr std::uint32_t word_slots = 126'976;
  static constexpr std::uint32_t text_slots = 4'096;
  static constexpr std::size_t most_processes = 1'024;

  /// What the two halves of a text slot hold each.
  static constexpr std::size_t text_bytes = 4'096;

  static constexpr std::uint32_t most_transit = 60; // in seconds

  /// Returns the one of this process; makes it if it got none. Throws `error`.
  static shared_arena& instance();

  /// Takes over the one that the parent process has handed down: that is the
  /// instance from now on. Throws `error`.
  static void attach(int descriptor);

  shared_arena(const shared_arena&) = delete;
  shared_arena& operator=(const shared_arena&) = delete;

  /// Tells it from those of other hosts, and of processes that do not come of
  /// the same one.
  [[nodiscard]] std::uint64_t identity() const noexcept;

  /// To be handed down.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  // -- slots ------------------------------------------------------------------

  /// Returns a slot that this process uses from now on, with the value 0;
  /// nothing when all are in use.
  std::optional<place> allocate(size_class what) noexcept;

  /// Notes that this process uses the slot; false if it has been freed, or was
  /// never there.
  bool enter(place x) noexcept;

  /// Notes that this process does not use it any more.
  void leave(place x) noexcept;

  /// A handle goes on its way, and arrives. This process must use the slot.
  void depart(place x) noexcept;
  void arrive(place x) noexcept;

  /// Frees what nobody uses; returns how many slots are in use.
  std::uint32_t sweep(size_class what) noexcept;

  [[nodiscard]] std::atomic<std::uint64_t>& value(place x) noexcept;

  /// Survives the death of its holder; reports its use by its own holder.
  [[nodiscard]] pthread_mutex_t& mutex(place x) noexcept;

  /// Returns one half of what a text slot holds.
  [[nodiscard]] std::span<std::byte> text(place x, std::size_t half) noexcept;

  // -- waking -----------------------------------------------------------------

  /// Says whether this process wants to be woken when the slot changes.
  void set_waiting(place x, bool waits) noexcept;

  /// Wakes the other processes that wait for the slot.
  void ring(place x) noexcept;

  /// Wakes all processes, because one has died that may not have come to it.
  void ring_all() noexcept;

  /// Counts the calls of `ring_all`.
  [[nodiscard]] std::uint32_t deaths() const noexcept;

  /// Changes whenever this process is to look at what it waits for.
  [[nodiscard]] std::uint32_t bell() const noexcept;

  /// Sleeps until `bell()` is another value; may return early.
  void wait_for_bell(std::uint32_t seen) noexcept;

 private:
  struct slot;
  struct row;
  struct layout;

  /// Of a row.
  struct claim {
    int locks = -1; // a description of the file, which is never handed down
    row* mine = nullptr; // null when there are too many processes
    std::size_t number = most_processes;
  };

  explicit shared_arena(int descriptor);

  /// Makes the instance, and lets it follow when the process forks.
  static void install(int descriptor);

  static void before_fork();
  static void after_fork(bool in_child);

  template <class F>
  void for_each_known_word(F&& what) const;
  std::optional<place> try_take(std::uint32_t index) noexcept;
  bool begin(place x) noexcept;
  [[nodiscard]] claim claim_row() const;
  [[nodiscard]] bool row_lives(std::size_t number) const noexcept;
  [[nodiscard]] bool in_use(std::uint32_t index,
                            std::span<const std::size_t> rows) noexcept;

  int descriptor_;
  layout* all_ = nullptr;
  claim own_;
  claim childs_;          // while the process forks
  std::mutex uses_mutex_; // orders what threads of this process say in its row
};

} // namespace puma::internal
