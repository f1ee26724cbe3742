// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/logger.hpp"

#include "puma/logging/internal/log_hub.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <exception>
#include <iterator>

namespace puma::logging {

/// What the handles of one logger share.
class detail::channel {
 public:
  explicit channel(std::string text) : name(std::move(text)) {}

  const std::string name;

  [[nodiscard]] bool logs(log_level level) const noexcept {
    auto& hub = internal::log_hub::instance();
    const auto generation = hub.generation();
    auto known = known_.load(std::memory_order_relaxed);
    if (known >> level_bits != generation) {
      known = std::uint64_t{generation} << level_bits
              | static_cast<std::uint64_t>(hub.level_of(name));
      known_.store(known, std::memory_order_relaxed);
    }
    return level != log_level::off
           && static_cast<std::uint64_t>(level) >= (known & level_mask);
  }

 private:
  static constexpr unsigned level_bits = 8;
  static constexpr std::uint64_t level_mask = 0xff;

  // The generation and the level that it has for this name.
  mutable std::atomic<std::uint64_t> known_{~std::uint64_t{0}};
};

logger::logger(std::string name)
  : channel_(std::make_shared<detail::channel>(std::move(name))) {}

const std::string& logger::name() const noexcept {
  return channel_->name;
}

bool logger::logs(log_level level) const noexcept {
  return channel_->logs(level);
}

namespace {

void submit(const std::string& name, log_level level, std::string_view text,
            const std::source_location& where) noexcept {
  internal::log_record line;
  line.level = level;
  line.logger = name;
  line.text = text;
  line.file = internal::base_name(where.file_name());
  line.line = where.line();
  internal::log_hub::instance().submit(line);
}

} // namespace

void logger::write(log_level level, std::string_view text,
                   std::source_location where) const noexcept {
  if (logs(level))
    submit(name(), level, text, where);
}

void logger::format(log_level level, const std::source_location& where,
                    fmt::string_view text,
                    fmt::format_args args) const noexcept {
  try {
    fmt::memory_buffer line;
    try {
      fmt::vformat_to(std::back_inserter(line), text, args);
    } catch (const std::exception& error) {
      line.append(std::string_view{" [not formatted: "});
      line.append(std::string_view{error.what()});
      line.append(std::string_view{"]"});
    }
    submit(name(), level, {line.data(), line.size()}, where);
  } catch (const std::exception&) {
    // There is no memory for the line.
  }
}

logger get(std::string name) {
  return logger{std::move(name)};
}

} // namespace puma::logging
