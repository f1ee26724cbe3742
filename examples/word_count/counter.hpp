// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "messages.hpp"
#include <puma/puma.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace word_count {

// [counter]
/// Counts words, and reports the most frequent ones at the end.
class counter : public puma::single_buffer_servicing_runnable<word_batch> {
 public:
  /// Reports the `top` most frequent words; 0 stands for all.
  counter(std::string name, const puma::buffer<word_batch>& batches,
          const puma::buffer<report>& reports, std::size_t top);

 protected:
  void on_value(word_batch& batch) override;
  void on_complete(const puma::failure* error) override;
  // [counter]

 private:
  /// Lets words be looked up without making a string of each.
  struct hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  totals take_totals();

  puma::publisher<report> reports_;
  std::size_t top_;
  std::unordered_map<std::string, std::uint64_t, hash, std::equal_to<>> counts_;
};

} // namespace word_count
