// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/capture_logs.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace puma::testing {

struct capture_logs::state {
  mutable std::mutex mutex;
  std::vector<line> lines;
};

capture_logs::capture_logs()
  : state_(std::make_shared<state>()),
    before_(
      exchange_log_sink([to = state_](log_level level, std::string_view logger,
                                      std::string_view text) {
        const std::lock_guard guard{to->mutex};
        to->lines.push_back({level, std::string{logger}, std::string{text}});
      })) {}

capture_logs::~capture_logs() {
  exchange_log_sink(std::move(before_));
}

std::vector<capture_logs::line> capture_logs::lines() const {
  const std::lock_guard guard{state_->mutex};
  return state_->lines;
}

std::size_t capture_logs::count(log_level level, std::string_view text) const {
  const auto all = lines();
  return static_cast<std::size_t>(
    std::count_if(all.begin(), all.end(), [&](const line& x) {
      return x.level >= level && x.text.find(text) != std::string::npos;
    }));
}

std::string capture_logs::to_string() const {
  std::string result;
  for (auto& x : lines())
    result += std::string{puma::to_string(x.level)} + " " + x.logger + ": "
              + x.text + "\n";
  return result;
}

} // namespace puma::testing
