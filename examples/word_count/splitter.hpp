// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "messages.hpp"
#include <puma/puma.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace word_count {

/// Splits text into words and gives each to one of the counters. Which one
/// depends on the word alone, so that no two counters count the same word.
class splitter : public puma::single_buffer_servicing_runnable<text_block> {
 public:
  splitter(std::string name, const puma::buffer<text_block>& blocks,
           const std::vector<puma::buffer<word_batch>>& batches);

 protected:
  void on_value(text_block& text) override;

 private:
  void finish_word(std::uint64_t hash);

  std::vector<puma::publisher<word_batch>> outputs_;
  std::vector<word_batch> batches_;
  std::string word_;
};

} // namespace word_count
