// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/internal/side_thread.hpp"

#include "puma/base/internal/wait_driver.hpp"

#include <utility>

namespace puma::internal {

side_thread::side_thread(std::function<void()> body) {
  thread_ = std::thread{
    [this, driver = wait_driver::of_this_thread(), f = std::move(body)] {
      go_.acquire();
      wait_driver::of_this_thread() = driver; // the same time on both sides
      f();
      back_.release();
    }};
}

side_thread::~side_thread() {
  thread_.join();
}

void side_thread::resume() {
  go_.release();
  back_.acquire();
}

void side_thread::yield() {
  back_.release();
  go_.acquire();
}

} // namespace puma::internal
