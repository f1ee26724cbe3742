// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "messages.hpp"
#include <puma/puma.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace word_count {

/// Reads files and hands their text to the splitters, by turns. Blocks while it
/// reads: to be run as `puma::dedicated`.
///
/// A file with a NUL byte in its first block is binary and skipped as a whole.
/// Further on, NUL is a byte like any other that is not a letter.
class reader : public puma::source_runnable {
 public:
  reader(std::vector<std::string> paths,
         const std::vector<puma::buffer<text_block>>& blocks,
         const puma::buffer<report>& reports);

  ~reader() override;

 protected:
  /// Opens a file, or reads one block.
  bool on_demand() override;

 private:
  bool open_next();
  bool read_block();
  void keep_last_word(text_block& text, std::size_t carried);
  bool publish(text_block&& text);
  bool finish_file(file_done::outcome result, std::string reason = {});
  bool send(report x);

  std::vector<std::string> paths_;
  std::vector<puma::publisher<text_block>> outputs_;
  puma::publisher<report> reports_;
  std::size_t next_path_ = 0;
  std::size_t next_output_ = 0;

  int file_ = -1;
  std::uint64_t file_bytes_ = 0;
  /// The beginning of a word that may go on in the next block.
  std::string carry_;
};

} // namespace word_count
