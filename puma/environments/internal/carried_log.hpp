// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/logging/internal/log_queue.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace puma::internal {

/// The log of a session at a node: the lines of this process and its workers
/// come out here instead of being written, and their levels are set from here.
/// To be made before the first line is logged. One per process.
///
/// *Threads.* Belongs to one thread at a time, besides `set_levels`.
class carried_log {
 public:
  /// Throws `error`.
  carried_log();

  carried_log(const carried_log&) = delete;
  carried_log& operator=(const carried_log&) = delete;

  ~carried_log();

  void set_levels(const std::string& text);

  /// Waits for lines, at most so long.
  void wait_for(std::chrono::milliseconds time);

  /// Lets `wait_for` return.
  void wake() const noexcept;

  /// Gives lines to `send` while it returns true; that is asked first whether
  /// there is room, with null.
  void take(const std::function<bool(const encoder*)>& send);

 private:
  std::shared_ptr<log_queue> lines_;
  int wake_ = -1;
  std::uint64_t reported_drops_ = 0;
};

/// Where the lines of such a session enter the log of the owner.
///
/// *Threads.* Belongs to one thread at a time.
class arriving_log {
 public:
  /// `name` goes before those of the processes. Throws `error`.
  explicit arriving_log(const std::string& name);

  arriving_log(const arriving_log&) = delete;
  arriving_log& operator=(const arriving_log&) = delete;

  ~arriving_log();

  /// Logs a line; marks `from` as failed if it cannot be read.
  void add(decoder& from);

  /// Counts the changes of `levels`.
  [[nodiscard]] std::uint32_t generation() const noexcept;

  /// Returns what a session has to be told of them.
  [[nodiscard]] std::string levels() const;

 private:
  std::string name_;
  std::uint64_t key_ = 0;
  int wake_ = -1;
  std::shared_ptr<log_queue> lines_;
};

} // namespace puma::internal
