// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <atomic>

namespace puma_test {

/// Holds threads back until it is opened; for what must be seen to hang. Opens
/// when it goes, so that no test ends with a thread that hangs for good.
class gate {
 public:
  gate() = default;
  gate(const gate&) = delete;
  gate& operator=(const gate&) = delete;
  ~gate() { open(); }

  void open() {
    open_ = true;
    open_.notify_all();
  }

  void pass() const { open_.wait(false); }

  [[nodiscard]] bool is_open() const { return open_; }

 private:
  std::atomic<bool> open_ = false;
};

} // namespace puma_test
