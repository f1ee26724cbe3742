// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/token_bucket.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace puma {

/// What a `throttler` does with values that come too fast.
enum class throttle_excess : std::uint8_t {
  hold, ///< They wait in the input, which slows down who publishes there.
  drop, ///< They are dropped and counted.
};

/// How many values a `throttler` lets pass.
struct throttle_options {
  /// So many values …
  std::size_t count = 1;

  /// … per period, evenly: one per `period / count`.
  std::chrono::nanoseconds period = std::chrono::seconds{1};

  /// How many values may pass at once after a time without any. In any span of
  /// time, at most `burst` values pass more than the rate says. A timer is
  /// about a tenth of a millisecond late, so a fast rate is reached only if
  /// `burst` covers what comes due in that time.
  std::size_t burst = 1;

  throttle_excess excess = throttle_excess::hold;
};

namespace detail {

inline token_bucket bucket_of(const std::string& name,
                              const throttle_options& x) {
  return {"throttle '" + name + "'", x.count, x.period, x.burst};
}

} // namespace detail

/// Passes values on at a limited rate: a token bucket. It waits on the clock of
/// its runtime, without a thread, and leaves its input alone meanwhile.
///
/// *End.* Comes, as a value would, when the next value might pass.
template <class T>
class throttler final : public single_buffer_servicing_runnable<T> {
 public:
  /// Which argument of the constructor it publishes to.
  static constexpr std::size_t token_argument = 2;

  /// Throws `usage_error` for options that make no sense.
  throttler(std::string name, const buffer<T>& in, const buffer<T>& out,
            throttle_options options)
    : single_buffer_servicing_runnable<T>(std::move(name), in),
      bucket_(detail::bucket_of(this->name(), options)),
      drops_(options.excess == throttle_excess::drop),
      out_(this->publish_to(out)) {}

  throttler(const throttler&) = delete;
  throttler& operator=(const throttler&) = delete;

  ~throttler() override {
    if (dropped_ > 1)
      this->log().warning("{} values came too fast and were dropped", dropped_);
  }

  /// Returns how many values were dropped; to be called through the runner.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 protected:
  void on_value(T& value) override {
    bucket_.refill();
    if (drops_ && !bucket_.has_one()) {
      if (++dropped_ == 1)
        this->log().warning("values come too fast: the first one was dropped");
      return;
    }
    bucket_.take();
    out_.publish(std::move(value));
    if (!drops_)
      hold_if_empty();
  }

  void on_tick(std::chrono::steady_clock::time_point) override {
    this->pause_ticks();
    this->resume_input(only_input);
    bucket_.refill();
    hold_if_empty();
  }

 private:
  static constexpr std::size_t only_input = 0;

  void hold_if_empty() {
    const auto time = bucket_.until_next();
    if (time == std::chrono::nanoseconds::zero())
      return;
    this->hold_input(only_input);
    this->set_tick_interval(time, late_ticks::coalesce);
    this->resume_ticks();
  }

  detail::token_bucket bucket_;
  bool drops_;
  publisher<T> out_;
  std::uint64_t dropped_ = 0;
};

/// A recipe for a `throttler`. Throws `usage_error` for options that make no
/// sense.
template <class T>
[[nodiscard]] auto throttle(std::string name, const buffer<T>& in,
                            const buffer<T>& out, throttle_options options) {
  static_cast<void>(detail::bucket_of(name, options));
  return detail::make_function_recipe<throttler<T>>(std::move(name), in, out,
                                                    options);
}

} // namespace puma
