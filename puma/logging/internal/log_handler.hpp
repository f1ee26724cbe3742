// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/internal/log_config.hpp"
#include "puma/logging/internal/log_record.hpp"
#include "puma/logging/logging.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace spdlog::sinks {
class sink;
} // namespace spdlog::sinks

namespace puma::internal {

/// Where lines go: a sink of spdlog, and a count of what it could not write.
///
/// *Threads.* One at a time.
class log_handler {
 public:
  /// Throws `usage_error` when a file cannot be opened.
  log_handler(std::string name, const log_config::handler& how);

  log_handler(const log_handler&) = delete;
  log_handler& operator=(const log_handler&) = delete;

  ~log_handler();

  [[nodiscard]] log_level level() const noexcept { return how_.level; }

  /// Empties the file, where that is wanted: once it is certain that this
  /// handler will be used.
  void begin() noexcept;

  /// Writes a line; what fails is counted, and reported on the standard error
  /// now and then. `host` is the name of this machine.
  void write(const log_record& x, const std::string& host) noexcept;

  void flush() noexcept;

  [[nodiscard]] const logging::statistics::handler& stats() const noexcept {
    return stats_;
  }

 private:
  using clock = std::chrono::steady_clock;

  void open();
  [[nodiscard]] bool is_file() const noexcept;
  void fail(const char* why) noexcept;

  const log_config::handler how_;
  std::shared_ptr<spdlog::sinks::sink> sink_;
  std::FILE* file_ = nullptr;   // that the sink writes to
  std::int64_t good_size_ = 0;  // of the file, up to its last flush
  std::uint64_t unflushed_ = 0; // lines in a file
  clock::time_point next_complaint_{};
  clock::time_point next_reopening_{};
  logging::statistics::handler stats_;
};

} // namespace puma::internal
