// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <chrono>
#include <thread>

namespace puma {
class runtime;
} // namespace puma

namespace puma::internal {

/// Turns SIGINT and SIGTERM into a drain of the runtime, a second one into a
/// stop, and a third one, or a stop that takes too long, into the end of the
/// process.
///
/// The signals are blocked in all threads and read from a descriptor, so that
/// no code runs in a signal handler.
class signal_watch {
 public:
  /// Blocks the signals in the calling thread and those it starts from now on.
  signal_watch();

  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  /// Stops watching. The signals stay blocked: the process is about to end.
  ~signal_watch();

  void start(runtime& rt, std::chrono::milliseconds drain_timeout);

  void stop() noexcept;

 private:
  void watch(runtime& rt, std::chrono::milliseconds drain_timeout);

  int signals_ = -1;  // becomes readable when a signal comes
  int finished_ = -1; // becomes readable when `stop` is called
  std::thread thread_;
};

} // namespace puma::internal
