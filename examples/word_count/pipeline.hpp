// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "files.hpp"
#include "messages.hpp"
#include <puma/puma.hpp>

#include <cstddef>

namespace word_count {

struct pipeline_options {
  std::size_t counters = 4;  ///< At least 1.
  std::size_t top = 10;      ///< How many words to return; 0 stands for all.
  std::size_t capacity = 16; ///< Of each buffer, in values; at least 1.
};

struct summary {
  std::size_t files_read = 0;
  std::size_t files_skipped = 0;
  std::size_t files_failed = 0;
  totals words;          ///< With the most frequent word first.
  bool complete = false; ///< Whether no file is left, and no word uncounted.

  [[nodiscard]] std::size_t files_done() const noexcept {
    return files_read + files_skipped + files_failed;
  }
};

/// Counts the words of `files` with runnables that `env` starts, and returns
/// when they have ended. Writes to stderr which files it could not count, and a
/// progress bar if that is a terminal.
///
///     reader ─┬─ blocks 1 ── splitter 1 ─┬─ batches 1 ── counter 1 ─┬─ reports
///             ├─ blocks 2 ── splitter 2 ─┼─ batches 2 ── counter 2 ─┤
///             ┆                          ┆                          ┆
///
/// Each splitter publishes to all counters. The reader and the counters publish
/// their reports to one buffer, from which the calling thread takes them.
[[nodiscard]] summary run_pipeline(puma::runtime& rt,
                                   const puma::environment& env,
                                   const file_list& files,
                                   const pipeline_options& options);

} // namespace word_count
