// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <semaphore>
#include <thread>

namespace puma::internal {

/// Runs a function on a thread of its own, in strict alternation with the
/// caller: only one of the two runs at any time. So a function that waits in
/// the middle of something can be put aside, and everything stays in a fixed
/// order.
///
/// *Threads.* `resume` is for the caller's side, `yield` for the function's.
/// The function must have returned when this object is destroyed.
class side_thread {
 public:
  explicit side_thread(std::function<void()> body);

  side_thread(const side_thread&) = delete;
  side_thread& operator=(const side_thread&) = delete;

  ~side_thread();

  /// Lets the function run until it yields or returns.
  void resume();

  /// Lets the caller of `resume` go on; returns at the next `resume`.
  void yield();

 private:
  std::binary_semaphore go_{0};
  std::binary_semaphore back_{0};
  std::thread thread_;
};

} // namespace puma::internal
