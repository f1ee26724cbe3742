// SPDX-License-Identifier: Apache-2.0

#include "puma/testing/capture_logs.hpp"

#include "puma/logging/internal/log_hub.hpp"

#include <mutex>
#include <utility>

namespace puma::testing {

class capture_logs::state final : public internal::log_capture {
 public:
  void on_line(const internal::log_record& x) override {
    const std::lock_guard guard{mutex_};
    const std::chrono::nanoseconds since{x.time};
    lines_.push_back(
      {x.level, std::string{x.logger}, std::string{x.text},
       std::string{x.process}, x.process_id, x.thread_id, std::string{x.file},
       x.line, x.sequence,
       std::chrono::system_clock::time_point{
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
           since)}});
  }

  [[nodiscard]] std::vector<line> lines() const {
    const std::lock_guard guard{mutex_};
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<line> lines_;
};

capture_logs::capture_logs() : state_(std::make_shared<state>()) {
  internal::log_hub::instance().begin_capture(state_);
}

capture_logs::~capture_logs() {
  internal::log_hub::instance().end_capture(*state_);
}

std::vector<capture_logs::line> capture_logs::lines() const {
  internal::log_hub::instance().flush();
  return state_->lines();
}

std::vector<capture_logs::line> capture_logs::lines(const filter& which) const {
  auto result = lines();
  std::erase_if(result, [&](const line& x) {
    return x.level < which.level || x.text.find(which.text) == std::string::npos
           || x.logger != which.logger.value_or(x.logger)
           || x.process != which.process.value_or(x.process);
  });
  return result;
}

std::size_t capture_logs::count(log_level level, std::string_view text) const {
  return lines({.level = level, .text = text}).size();
}

std::string capture_logs::to_string() const {
  std::string result;
  for (auto& x : lines())
    result += std::string{puma::to_string(x.level)} + " " + x.logger + ": "
              + x.text + "\n";
  return result;
}

} // namespace puma::testing
