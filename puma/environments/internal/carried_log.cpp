// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/carried_log.hpp"

#include "puma/base/error.hpp"
#include "puma/logging/internal/log_hub.hpp"
#include "puma/logging/internal/log_record.hpp"
#include "puma/logging/internal/spdlog_bridge.hpp"

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr std::size_t queue_bytes = 4u * 1024 * 1024;

/// The session among the processes of its host. Workers have it before their
/// names, which says nothing to the owner.
constexpr std::string_view session_name = "session";
constexpr std::string_view session_prefix = "session/";

std::string_view process_of(const log_record& x) noexcept {
  auto result = x.process;
  if (result.empty())
    return session_name;
  if (result.starts_with(session_prefix))
    result.remove_prefix(session_prefix.size());
  return result;
}

void encode_record(encoder& to, const log_record& x) {
  to.number(x.level);
  to.number(x.process_id);
  to.number(x.thread_id);
  to.number(x.line);
  to.number(x.time);
  for (const auto text : {x.logger, x.file, process_of(x), x.text})
    encode(to, std::string{text});
}

void notify(int descriptor) noexcept {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(descriptor, &one, sizeof(one)));
}

} // namespace

// -- at the node --------------------------------------------------------------

carried_log::carried_log()
  : lines_(log_queue::make(queue_bytes)),
    wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  const int queue = ::fcntl(lines_->descriptor(), F_DUPFD_CLOEXEC, 0);
  const int wake = ::fcntl(wake_, F_DUPFD_CLOEXEC, 0);
  if (wake_ < 0 || queue < 0 || wake < 0)
    throw error{std::string{"no log for a session: "} + std::strerror(errno)};
  log_hub::instance().attach(queue, wake, std::string{session_name});
  bridge_spdlog();
}

carried_log::~carried_log() {
  ::close(wake_);
}

void carried_log::set_levels(const std::string& text) {
  lines_->set_levels(text); // the workers read them there, too
}

void carried_log::wait_for(std::chrono::milliseconds time) {
  pollfd watched{wake_, POLLIN, 0};
  if (lines_->fall_asleep())
    ::poll(&watched, 1, static_cast<int>(time.count()));
  lines_->wake_up();
  std::uint64_t ignored = 0;
  static_cast<void>(!::read(wake_, &ignored, sizeof(ignored)));
}

void carried_log::wake() const noexcept {
  notify(wake_);
}

void carried_log::take(const std::function<bool(const encoder*)>& send) {
  const auto dropped = lines_->dropped();
  if (dropped != reported_drops_ && send(nullptr)) {
    log_record line;
    line.level = log_level::warning;
    line.logger = "puma.logging";
    const auto text = std::to_string(dropped - reported_drops_)
                      + " lines were dropped: more than the connection to the "
                        "owner takes";
    line.text = text;
    encoder body;
    encode_record(body, line);
    reported_drops_ = dropped;
    send(&body);
  }
  while (send(nullptr)) {
    const auto x = lines_->front();
    if (!x)
      break;
    encoder body;
    encode_record(body, *x);
    lines_->pop();
    send(&body);
  }
}

// -- at the owner -------------------------------------------------------------

arriving_log::arriving_log(const std::string& name) {
  const auto intake = log_hub::instance().add_process(name, false);
  name_ = intake.name;
  key_ = intake.key;
  wake_ = intake.wake;
  try {
    const int queue = ::fcntl(intake.queue, F_DUPFD_CLOEXEC, 0);
    if (queue < 0)
      throw error{std::string{"no log for a node: "} + std::strerror(errno)};
    lines_ = log_queue::attach(queue);
  } catch (...) {
    log_hub::instance().process_ended(key_);
    throw;
  }
}

arriving_log::~arriving_log() {
  log_hub::instance().process_ended(key_);
}

void arriving_log::add(decoder& from) {
  log_record x;
  x.level = from.number<log_level>();
  x.process_id = from.number<std::uint32_t>();
  x.thread_id = from.number<std::uint32_t>();
  x.line = from.number<std::uint32_t>();
  x.time = from.number<std::int64_t>();
  std::string logger;
  std::string file;
  std::string process;
  std::string text;
  for (auto* part : {&logger, &file, &process, &text})
    decode(from, *part);
  if (from.ok() && x.level > log_level::critical)
    from.fail("a line of an unknown level");
  if (!from.ok())
    return;
  process = name_ + "/" + process;
  x.logger = logger;
  x.file = file;
  x.process = process;
  x.text = text;
  if (lines_->push(x) == log_queue::push_result::reader_sleeps)
    notify(wake_);
}

std::uint32_t arriving_log::generation() const noexcept {
  return lines_->level_generation();
}

std::string arriving_log::levels() const {
  return lines_->levels();
}

} // namespace puma::internal
