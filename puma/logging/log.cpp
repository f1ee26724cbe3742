// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

namespace puma {

namespace {

std::atomic<log_level> threshold{log_level::warning};
std::atomic<bool> captured{false};

/// The sink that stands in for the output, guarded by its mutex.
struct replacement {
  std::mutex mutex;
  log_sink sink;
};

replacement& the_replacement() {
  // Never destroyed: a runnable may log while static objects go.
  static auto* instance = new replacement;
  return *instance;
}

spdlog::logger& the_output() {
  static auto* instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto* result = new spdlog::logger{"puma", std::move(sink)};
    result->set_level(spdlog::level::trace);
    result->set_pattern("%Y-%m-%d %H:%M:%S.%e %L [%P/%t] %v");
    result->flush_on(spdlog::level::warn);
    return result;
  }();
  return *instance;
}

spdlog::level::level_enum to_spdlog(log_level level) noexcept {
  switch (level) {
  case log_level::debug:
    return spdlog::level::debug;
  case log_level::info:
    return spdlog::level::info;
  case log_level::warning:
    return spdlog::level::warn;
  case log_level::error:
    return spdlog::level::err;
  case log_level::off:
    break;
  }
  return spdlog::level::off;
}

} // namespace

std::string_view to_string(log_level level) noexcept {
  switch (level) {
  case log_level::debug:
    return "debug";
  case log_level::info:
    return "info";
  case log_level::warning:
    return "warning";
  case log_level::error:
    return "error";
  case log_level::off:
    break;
  }
  return "off";
}

void log(log_level level, std::string_view logger, std::string_view text) {
  if (!logs(level))
    return;
  try {
    if (captured.load(std::memory_order_acquire)) {
      auto& other = the_replacement();
      const std::lock_guard guard{other.mutex};
      if (other.sink) {
        other.sink(level, logger, text);
        return;
      }
    }
    the_output().log(to_spdlog(level), "{}: {}", logger, text);
  } catch (...) {
    // A log line must not end the pipeline that wrote it; spdlog reports and
    // counts what its own sinks could not write.
  }
}

void set_log_level(log_level level) noexcept {
  threshold.store(level, std::memory_order_relaxed);
}

bool logs(log_level level) noexcept {
  return level != log_level::off
         && (captured.load(std::memory_order_relaxed)
             || level >= threshold.load(std::memory_order_relaxed));
}

log_sink exchange_log_sink(log_sink sink) {
  auto& other = the_replacement();
  const std::lock_guard guard{other.mutex};
  auto before = std::exchange(other.sink, std::move(sink));
  captured.store(static_cast<bool>(other.sink), std::memory_order_release);
  return before;
}

} // namespace puma
