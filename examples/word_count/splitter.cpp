// SPDX-License-Identifier: Apache-2.0

#include "splitter.hpp"

#include "letters.hpp"

#include <cstddef>
#include <utility>

namespace word_count {

namespace {

// FNV-1a: cheap to compute letter by letter.
constexpr std::uint64_t hash_start = 14695981039346656037u;
constexpr std::uint64_t hash_factor = 1099511628211u;

} // namespace

splitter::splitter(std::string name, const puma::buffer<text_block>& blocks,
                   const std::vector<puma::buffer<word_batch>>& batches)
  : single_buffer_servicing_runnable(std::move(name), blocks),
    batches_(batches.size()) {
  for (const auto& x : batches)
    outputs_.push_back(publish_to(x));
}

void splitter::on_value(text_block& text) {
  auto hash = hash_start;
  for (const char c : text) {
    if (const char letter = lower_case(c); letter != '\0') {
      word_ += letter;
      hash = (hash ^ static_cast<unsigned char>(letter)) * hash_factor;
    } else if (!word_.empty()) {
      finish_word(std::exchange(hash, hash_start));
    }
  }
  if (!word_.empty())
    finish_word(hash);

  for (std::size_t i = 0; i != batches_.size(); ++i)
    if (!batches_[i].empty())
      outputs_[i].publish(std::exchange(batches_[i], {}));
}

void splitter::finish_word(std::uint64_t hash) {
  word_ += '\n';
  batches_[hash % batches_.size()] += word_;
  word_.clear();
}

} // namespace word_count
