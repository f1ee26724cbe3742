// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/functions.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/base/error.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace puma {

/// When a `batcher` passes on what it has collected: at whichever comes first.
struct batch_options {
  /// After so many values; at least 1. There is always a limit, so that a batch
  /// cannot grow without one.
  std::size_t count = 1024;

  /// This time after the first value of the batch; 0 stands for no limit.
  std::chrono::nanoseconds time{0};
};

namespace detail {

inline batch_options checked(const std::string& name, batch_options x) {
  if (x.count == 0)
    throw usage_error{"batch '" + name + "': the count must be at least 1"};
  if (x.time.count() < 0)
    throw usage_error{"batch '" + name + "': the time must not be negative"};
  return x;
}

} // namespace detail

/// Collects values, and publishes them as vectors: `count` of them, or what
/// came within `time` of the first one. While nothing comes, nothing runs.
///
/// *End.* What has been collected goes out as a last, smaller batch before the
/// end of the stream, also before an error, when the batcher is stopped, and
/// before a supervisor restarts it. A worker process that dies takes along what
/// its batchers have collected, as any runnable that keeps values to itself.
///
/// *Failure.* A batch for a stream that others have ended is counted there, as
/// `buffer_stats::after_end`. What cannot go out in the end, mostly because a
/// dedicated batcher is stopped while its output is full, is counted in a
/// warning.
template <class T>
class batcher final : public single_buffer_servicing_runnable<T> {
 public:
  /// Which argument of the constructor it publishes to.
  static constexpr std::size_t token_argument = 2;

  /// Throws `usage_error` for options that make no sense.
  batcher(std::string name, const buffer<T>& in,
          const buffer<std::vector<T>>& out, batch_options options)
    : single_buffer_servicing_runnable<T>(std::move(name), in),
      options_(detail::checked(this->name(), options)),
      out_(this->publish_to(out)) {
    if (has_time())
      this->set_tick_interval(options_.time, late_ticks::coalesce);
  }

  batcher(const batcher&) = delete;
  batcher& operator=(const batcher&) = delete;

  ~batcher() override {
    if (batch_.empty())
      return;
    try {
      // Before a restart, the stream is still open.
      if (out_.publish(std::move(batch_)) == publish_result::accepted)
        return;
    } catch (...) {
      // It has ended, or there is no room; the values are still there.
    }
    this->log().warning(
      "{} collected values were not passed on, because '{}' "
      "takes no more",
      batch_.size(), out_.name());
  }

 protected:
  void on_value(T& value) override {
    batch_.push_back(std::move(value));
    if (batch_.size() >= options_.count)
      pass_on();
    else if (batch_.size() == 1 && has_time())
      this->resume_ticks();
  }

  void on_tick(std::chrono::steady_clock::time_point) override { pass_on(); }

  void on_complete(const failure* error) override {
    if (!batch_.empty())
      pass_on();
    // The end goes on to the output.
    single_buffer_servicing_runnable<T>::on_complete(error);
  }

 private:
  [[nodiscard]] bool has_time() const noexcept {
    return options_.time.count() != 0;
  }

  void pass_on() {
    if (has_time())
      this->pause_ticks();
    const auto size = batch_.size();
    out_.publish(std::move(batch_));
    batch_.clear();
    batch_.reserve(size);
  }

  batch_options options_;
  publisher<std::vector<T>> out_;
  std::vector<T> batch_;
};

/// A recipe for a `batcher`. Throws `usage_error` for options that make no
/// sense.
template <class T>
[[nodiscard]] auto batch(std::string name, const buffer<T>& in,
                         const buffer<std::vector<T>>& out,
                         batch_options options = {}) {
  detail::checked(name, options);
  return detail::make_function_recipe<batcher<T>>(std::move(name), in, out,
                                                  options);
}

} // namespace puma
