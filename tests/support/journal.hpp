// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace puma_test {

/// Keeps what runnables report, in order.
///
/// *Threads.* All functions may be called from any thread. A cheap handle:
/// copies denote the same journal.
template <class Entry>
class journal {
 public:
  void add(Entry entry) const {
    const std::lock_guard lock{state_->mutex};
    state_->entries.push_back(std::move(entry));
  }

  [[nodiscard]] std::vector<Entry> entries() const {
    const std::lock_guard lock{state_->mutex};
    return state_->entries;
  }

  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock{state_->mutex};
    return state_->entries.size();
  }

  [[nodiscard]] bool has(const Entry& entry) const {
    const std::lock_guard lock{state_->mutex};
    auto& all = state_->entries;
    return std::find(all.begin(), all.end(), entry) != all.end();
  }

 private:
  struct state {
    std::mutex mutex;
    std::vector<Entry> entries;
  };

  std::shared_ptr<state> state_ = std::make_shared<state>();
};

using events = journal<std::string>;
using numbers = journal<int>;

} // namespace puma_test
