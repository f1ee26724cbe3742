// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include <time.h>
#include <unistd.h>

namespace puma_test {

/// A thread that can be seen to sleep, so that a test can act when a call
/// waits, without a guess at how long it takes to get there. Joins when it
/// goes.
class observed_thread {
 public:
  template <class F>
  explicit observed_thread(F what)
    : thread_([this, body = std::move(what)]() mutable {
        id_.store(::gettid());
        body();
        id_.store(finished);
      }) {}

  observed_thread(const observed_thread&) = delete;
  observed_thread& operator=(const observed_thread&) = delete;

  ~observed_thread() { join(); }

  void join() {
    if (thread_.joinable())
      thread_.join();
  }

  /// Returns once the thread sleeps in the kernel or has finished; whether it
  /// sleeps.
  bool wait_until_asleep() const {
    for (;;) {
      const auto id = id_.load();
      if (id == finished)
        return false;
      if (id != not_started && state_of(id) == 'S')
        return true;
      std::this_thread::yield();
    }
  }

 private:
  static constexpr int not_started = 0;
  static constexpr int finished = -1;

  static char state_of(int id) {
    std::ifstream in{"/proc/self/task/" + std::to_string(id) + "/stat"};
    std::string line;
    std::getline(in, line);
    const auto end_of_name = line.rfind(')');
    return end_of_name == std::string::npos ? '?' : line[end_of_name + 2];
  }

  std::atomic<int> id_{not_started};
  std::thread thread_;
};

/// Returns the processor time that this process has used.
inline std::chrono::nanoseconds process_cpu_time() {
  timespec x{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &x);
  return std::chrono::seconds{x.tv_sec} + std::chrono::nanoseconds{x.tv_nsec};
}

} // namespace puma_test
