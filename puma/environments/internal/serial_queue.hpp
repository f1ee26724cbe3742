// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/log.hpp"

#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

namespace puma::internal {

/// Runs functions one after the other, in the order in which they were posted,
/// on whichever of the posting threads comes first. What is posted from within
/// such a function runs after it.
///
/// *Threads.* `post` may be called from any thread that holds no lock which the
/// functions take.
class serial_queue {
 public:
  void post(std::function<void()> what) {
    std::unique_lock lock{mutex_};
    waiting_.push_back(std::move(what));
    if (std::exchange(running_, true))
      return;
    while (!waiting_.empty()) {
      const auto next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      try {
        next();
      } catch (const std::exception& error) {
        // The others must not wait for ever because of it.
        log(log_level::error, "puma.processes",
            std::string{"an event could not be handled: "} + error.what());
      }
      lock.lock();
    }
    running_ = false;
  }

 private:
  std::mutex mutex_;
  std::deque<std::function<void()>> waiting_;
  bool running_ = false;
};

} // namespace puma::internal
