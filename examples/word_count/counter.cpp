// SPDX-License-Identifier: Apache-2.0

#include "counter.hpp"

#include <algorithm>
#include <utility>

namespace word_count {

counter::counter(std::string name, const puma::buffer<word_batch>& batches,
                 const puma::buffer<report>& reports, std::size_t top)
  : single_buffer_servicing_runnable(std::move(name), batches),
    reports_(publish_to(reports)),
    top_(top) {}

void counter::on_value(word_batch& batch) {
  for (std::string_view rest = batch; !rest.empty();) {
    const auto word = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(word.size() + 1);
    if (auto known = counts_.find(word); known != counts_.end())
      ++known->second;
    else
      counts_.emplace(word, 1);
  }
}

// [on_complete]
void counter::on_complete(const puma::failure* error) {
  if (error)
    reports_.fail(*error);
  else
    reports_.publish(take_totals());
}
// [on_complete]

totals counter::take_totals() {
  totals result;
  result.different_words = counts_.size();
  result.top.reserve(counts_.size());
  while (!counts_.empty()) {
    auto node = counts_.extract(counts_.begin());
    result.words += node.mapped();
    result.top.push_back({std::move(node.key()), node.mapped()});
  }
  if (top_ != 0 && top_ < result.top.size()) {
    const auto end = result.top.begin() + static_cast<std::ptrdiff_t>(top_);
    std::nth_element(result.top.begin(), end, result.top.end(), ranks_before);
    result.top.erase(end, result.top.end());
  }
  return result;
}

} // namespace word_count
