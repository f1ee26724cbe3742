// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace word_count {

/// A progress bar on stderr, if that is a terminal; nothing otherwise.
class progress_bar {
 public:
  progress_bar(std::size_t files, std::uintmax_t bytes) noexcept;

  progress_bar(const progress_bar&) = delete;
  progress_bar& operator=(const progress_bar&) = delete;

  ~progress_bar();

  /// Draws the bar anew, but not more often than the eye can see.
  void update(std::size_t files, std::uintmax_t bytes);

  /// Removes the bar, so that a line can be written in its place.
  void clear();

 private:
  std::size_t all_files_;
  std::uintmax_t all_bytes_;
  bool is_terminal_;
  bool is_drawn_ = false;
  std::chrono::steady_clock::time_point next_;
};

} // namespace word_count
