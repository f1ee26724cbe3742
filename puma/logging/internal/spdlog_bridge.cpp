// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/internal/spdlog_bridge.hpp"

#include "puma/logging/internal/log_context.hpp"
#include "puma/logging/internal/log_hub.hpp"
#include "puma/logging/internal/spdlog_level.hpp"

#include <spdlog/sinks/sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <string_view>

namespace puma::internal {

namespace {

/// What the default logger's lines are called outside of runnables.
constexpr std::string_view nameless = "spdlog";

class bridge_sink final : public spdlog::sinks::sink {
 public:
  void log(const spdlog::details::log_msg& x) override {
    log_record line;
    line.level = from_spdlog(x.level);
    const std::string_view own{x.logger_name.data(), x.logger_name.size()};
    const auto* context = log_context();
    line.logger = !own.empty() ? own
                  : context    ? std::string_view{*context}
                               : nameless;
    auto& hub = log_hub::instance();
    if (!hub.logs(line.level, line.logger))
      return;
    line.thread_id = static_cast<std::uint32_t>(x.thread_id);
    if (x.source.filename)
      line.file = base_name(x.source.filename);
    line.line = static_cast<std::uint32_t>(x.source.line);
    line.text = {x.payload.data(), x.payload.size()};
    hub.submit(line);
  }

  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}
};

/// The default logger that was set; kept for ever, because threads may still
/// log while static objects go, also those of spdlog.
std::atomic<const std::shared_ptr<spdlog::logger>*> bridge{nullptr};

} // namespace

void bridge_spdlog() {
  const auto current = spdlog::default_logger();
  if (!current || !current->name().empty() || current->sinks().size() != 1
      || !dynamic_cast<spdlog::sinks::stdout_color_sink_mt*>(
        current->sinks().front().get()))
    return;
  auto ours = std::make_shared<spdlog::logger>("",
                                               std::make_shared<bridge_sink>());
  ours->set_level(current->level());
  bridge.store(new std::shared_ptr<spdlog::logger>{ours});
  spdlog::set_default_logger(std::move(ours));
  set_spdlog_level(log_hub::instance().lowest_level());
}

void set_spdlog_level(log_level lowest) {
  if (const auto* ours = bridge.load())
    (*ours)->set_level(to_spdlog(lowest));
}

} // namespace puma::internal
