// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

/// What travels through the buffers.
namespace word_count {

/// A piece of a file. No word goes on in the next piece.
using text_block = std::string;

/// Words in lower case, each followed by a line feed.
using word_batch = std::string;

/// The reader has read another block of a file.
struct block_read {
  std::string path;
  std::size_t bytes;
};

/// The reader is done with a file.
struct file_done {
  enum class outcome { read, binary, failed };

  outcome result;
  std::string path;
  std::string reason; ///< Of a failure.
};

struct counted_word {
  std::string word;
  std::uint64_t count;
};

/// The order of the result: the most frequent word first, and words of the same
/// frequency by name.
[[nodiscard]] inline bool ranks_before(const counted_word& x,
                                       const counted_word& y) {
  return x.count != y.count ? x.count > y.count : x.word < y.word;
}

/// What one counter has counted. No word is counted by two of them.
struct totals {
  std::vector<counted_word> top; ///< In no particular order.
  std::uint64_t words = 0;
  std::uint64_t different_words = 0;
};

using report = std::variant<block_read, file_done, totals>;

} // namespace word_count
