// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace puma_bench {

/// The yardstick for buffers: what most would write first.
template <class T>
class locked_queue {
 public:
  explicit locked_queue(std::size_t capacity) : capacity_(capacity) {}

  /// Waits for room.
  void push(T value) {
    std::unique_lock lock{mutex_};
    has_room_.wait(lock, [this] { return values_.size() < capacity_; });
    values_.push_back(std::move(value));
    has_values_.notify_one();
  }

  [[nodiscard]] bool try_push(T value) {
    const std::unique_lock lock{mutex_};
    if (values_.size() >= capacity_)
      return false;
    values_.push_back(std::move(value));
    has_values_.notify_one();
    return true;
  }

  /// Waits for a value; returns nothing when the stream has ended.
  [[nodiscard]] std::optional<T> pop() {
    std::unique_lock lock{mutex_};
    has_values_.wait(lock, [this] { return ended_ || !values_.empty(); });
    return take();
  }

  [[nodiscard]] std::optional<T> try_pop() {
    const std::unique_lock lock{mutex_};
    return take();
  }

  void end() {
    const std::unique_lock lock{mutex_};
    ended_ = true;
    has_values_.notify_all();
  }

 private:
  std::optional<T> take() {
    std::optional<T> result;
    if (!values_.empty()) {
      result = std::move(values_.front());
      values_.pop_front();
      has_room_.notify_one();
    }
    return result;
  }

  const std::size_t capacity_;
  std::mutex mutex_;
  std::condition_variable has_room_;
  std::condition_variable has_values_;
  std::deque<T> values_;
  bool ended_ = false;
};

} // namespace puma_bench
