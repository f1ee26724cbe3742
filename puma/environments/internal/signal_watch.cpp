// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/signal_watch.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/logging/logging.hpp"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.main";

/// How long a stop may take after the second signal.
constexpr int stop_milliseconds = 5'000;

int checked(int descriptor, const char* what) {
  if (descriptor < 0)
    throw error{std::string{what} + " failed: " + std::strerror(errno)};
  return descriptor;
}

} // namespace

signal_watch::signal_watch() {
  sigset_t watched;
  sigemptyset(&watched);
  sigaddset(&watched, SIGINT);
  sigaddset(&watched, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  signals_ = checked(::signalfd(-1, &watched, SFD_CLOEXEC), "signalfd");
  finished_ = checked(::eventfd(0, EFD_CLOEXEC), "eventfd");
}

signal_watch::~signal_watch() {
  stop();
  ::close(signals_);
  ::close(finished_);
}

void signal_watch::start(runtime& rt, std::chrono::milliseconds drain_timeout) {
  thread_ = std::thread{
    [this, &rt, drain_timeout] { watch(rt, drain_timeout); }};
}

void signal_watch::stop() noexcept {
  if (!thread_.joinable())
    return;
  const std::uint64_t one = 1;
  static_cast<void>(!::write(finished_, &one, sizeof(one)));
  thread_.join();
}

void signal_watch::watch(runtime& rt, std::chrono::milliseconds drain_timeout) {
  std::thread draining;
  int wait_milliseconds = -1;
  int last_signal = SIGTERM;
  for (int count = 0;;) {
    pollfd descriptors[] = {{signals_, POLLIN, 0}, {finished_, POLLIN, 0}};
    const int ready = ::poll(descriptors, 2, wait_milliseconds);
    if (ready < 0 && errno == EINTR)
      continue;
    if ((descriptors[1].revents & POLLIN) != 0)
      break;
    signalfd_siginfo info{};
    if (ready > 0
        && ::read(signals_, &info, sizeof(info))
             != static_cast<ssize_t>(sizeof(info)))
      continue;
    if (ready > 0)
      last_signal = static_cast<int>(info.ssi_signo);
    if (ready == 0 && rt.core().all().live().empty()) {
      wait_milliseconds = -1; // only `main` itself is still at work
      continue;
    }
    const std::string name = last_signal == SIGINT ? "SIGINT" : "SIGTERM";
    if (++count == 1) {
      log(log_level::info, logger, name + ": draining");
      draining = std::thread{[&rt, drain_timeout] {
        const auto report = rt.drain(drain_timeout);
        if (!report.done())
          log(log_level::error, logger,
              "not everything has ended:\n" + report.to_string());
      }};
    } else if (count == 2) {
      log(log_level::warning, logger, name + " again: stopping at once");
      rt.stop();
      wait_milliseconds = stop_milliseconds;
    } else {
      log(log_level::error, logger,
          "not everything stopped in time; ending the process");
      logging::flush();
      std::_Exit(128 + last_signal);
    }
  }
  if (draining.joinable())
    draining.join();
}

} // namespace puma::internal
