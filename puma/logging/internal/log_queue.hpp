// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/internal/log_record.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace puma::internal {

/// A bounded queue of log lines in shared memory, from a process (and those
/// that it forks) to the one that writes. Lines that are in it outlive their
/// process, however that ends. A process that dies while it puts one in leaves
/// nothing of it behind.
///
/// *Threads.* Any number may `push`, in any process; one at a time may use the
/// functions of the reader.
///
/// *Failure.* The reader trusts nothing that is in the memory.
class log_queue {
 public:
  /// Makes one of at least `bytes`; throws `error`.
  static std::shared_ptr<log_queue> make(std::size_t bytes);

  /// The one that another process has made; takes over the descriptor. Throws
  /// `error`.
  static std::shared_ptr<log_queue> attach(int descriptor);

  log_queue(const log_queue&) = delete;
  log_queue& operator=(const log_queue&) = delete;

  ~log_queue();

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

  // -- writers ----------------------------------------------------------------

  enum class push_result { accepted, reader_sleeps, dropped };

  /// Only lines that are not tried again count as dropped.
  enum class attempt { first, last };

  /// Puts a line in, with the time and its number. The last quarter of the room
  /// is for lines of `warning` and above. Texts that are too long are cut.
  push_result push(const log_record& x, attempt which = attempt::last) noexcept;

  /// Returns whether there is so much in it that it should be emptied at once.
  [[nodiscard]] bool is_filling() const noexcept;

  /// How long `push` waits for room.
  void set_patience(std::uint32_t milliseconds) noexcept;

  /// Counts the changes of what `set_levels` sets.
  [[nodiscard]] std::uint32_t level_generation() const noexcept;

  /// Returns what `set_levels` has set.
  [[nodiscard]] std::string levels() const;

  // -- reader -----------------------------------------------------------------

  /// Returns the oldest line; its texts stay until `pop`.
  [[nodiscard]] std::optional<log_record> front();

  void pop() noexcept;

  /// Returns whether what a writer left in it could not be read, and has been
  /// given up.
  [[nodiscard]] bool was_damaged() const noexcept { return damaged_; }

  /// Returns how many lines have been dropped.
  [[nodiscard]] std::uint64_t dropped() const noexcept;

  /// Says that the reader has to be woken; returns false if there is something
  /// to read already.
  bool fall_asleep() noexcept;

  void wake_up() noexcept;

  /// Tells the writers their levels; false if the text is too long.
  bool set_levels(std::string_view text) noexcept;

 private:
  struct control;
  struct entry;

  log_queue(int descriptor, std::size_t capacity);

  [[nodiscard]] bool has_room(std::size_t size, log_level level) const noexcept;
  bool lock() noexcept;

  int descriptor_ = -1;
  std::size_t capacity_ = 0;
  control* control_ = nullptr;
  std::byte* data_ = nullptr; // mapped twice, one after the other
  std::uint64_t read_ = 0;    // the reader's own copy
  std::uint64_t seen_ = 0;    // what was written when it last looked
  std::size_t front_size_ = 0;
  bool damaged_ = false;
};

} // namespace puma::internal
