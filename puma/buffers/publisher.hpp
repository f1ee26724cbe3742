// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/detail/ends.hpp"

#include <chrono>
#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

namespace puma {

/// The sending end that one party opened on a buffer.
///
/// *Threads.* Any number of publishers may feed one buffer at once. A single
/// publisher must not be used from two threads at once; moving it to another
/// thread is fine. One that a runnable opened may be used, closed and destroyed
/// in the hooks of that runnable only: publishing elsewhere is a `usage_error`.
///
/// *Waiting.* In a plain thread and in a dedicated runnable `publish` waits
/// while the buffer is full, and each value is visible at once. In a pooled
/// runnable it never waits: values leave when the hook returns, or a chunk of
/// them is full, or at `flush`; when the buffer is full they wait in the
/// runnable's outbox and the runnable gets no further values until that has
/// drained.
///
/// *Lifetime.* `complete` or `fail` end this publisher's stream. Destroying a
/// publisher without either leaves the stream open: another publisher, or a
/// later one, goes on. A runnable's publishers are completed when it ends.
///
/// *Order.* First in, first out per publisher; the end comes after all values.
template <class T>
class publisher {
 public:
  /// A publisher of nothing; using it is a `usage_error`.
  publisher() noexcept = default;

  /// Opened by `buffer::open_publisher` and `runnable::publish_to`.
  explicit publisher(detail::outlet_ptr end) noexcept : end_(std::move(end)) {}

  publisher(publisher&&) noexcept = default;
  publisher& operator=(publisher&&) noexcept = default;

  /// Returns the buffer's name.
  [[nodiscard]] std::string_view name() const {
    return detail::name_of(end_.get());
  }

  /// Publishes `value`, waiting for room where that is allowed. Returns
  /// `accepted`, or `closed` when the stream has ended, or `full` when the
  /// overflow policy dropped the value (which is counted). Throws `buffer_full`
  /// when that is the policy, or when a pooled runnable's outbox is full;
  /// throws `stopped` when a dedicated runnable is told to stop meanwhile.
  /// Moves from `value` only when accepted.
  publish_result publish(T&& value) {
    if (auto* end = end_.get(); end && end->next != end->limit) {
      ::new (static_cast<void*>(end->next)) T(std::move(value));
      end->next += sizeof(T);
      return publish_result::accepted;
    }
    return detail::publish(end_.get(), &value);
  }

  publish_result
  publish(const T& value) requires std::is_copy_constructible_v<T> {
    return publish(T(value));
  }

  /// As `publish`, but waits at most `timeout`, and returns `full` when that
  /// was not enough, whatever the policy. A pooled runnable does not wait.
  publish_result publish_for(T&& value, std::chrono::nanoseconds timeout) {
    return detail::publish_for(end_.get(), &value, timeout);
  }

  publish_result publish_for(
    const T& value,
    std::chrono::nanoseconds timeout) requires std::is_copy_constructible_v<T> {
    return publish_for(T(value), timeout);
  }

  /// Publishes `value` if there is room now. Never waits, never drops `value`
  /// and never throws `buffer_full`.
  [[nodiscard]] publish_result try_publish(T&& value) {
    return detail::try_publish(end_.get(), &value);
  }

  [[nodiscard]] publish_result
  try_publish(const T& value) requires std::is_copy_constructible_v<T> {
    return try_publish(T(value));
  }

  /// Returns how many values may be published next for sure without waiting and
  /// without the outbox. In `on_demand` that is at least 1 for each output that
  /// blocks; a source of cheap values may publish as many per call. 0 outside
  /// of pooled runnables, where each value is decided upon on its own.
  [[nodiscard]] std::size_t room() const noexcept {
    return end_ ? static_cast<std::size_t>(end_->limit - end_->next) / sizeof(T)
                : 0;
  }

  /// Returns how many values wait for the subscription, with what waits in the
  /// outbox: an estimate, for choosing among several outputs. Where the buffer
  /// is in another process, places that it has not lent to this one count, too.
  /// 0 when the stream has ended, which publishing tells.
  [[nodiscard]] std::size_t backlog() const {
    return detail::backlog(end_.get());
  }

  /// Makes the values published so far visible to the subscription, and wakes
  /// it. Needed only in a hook that goes on to compute for long.
  void flush() { detail::flush(end_.get()); }

  /// Ends this publisher's stream, after all of its values. Never waits and
  /// always succeeds, also when the buffer is full. Publishing or ending again
  /// is a `usage_error`.
  void complete() { detail::complete(end_.get()); }

  /// Ends the whole stream with an error: what was published before is still
  /// delivered, other publishers see `closed`.
  void fail(const failure& error) { detail::fail(end_.get(), error); }

  void fail(std::exception_ptr error) { fail(failure{std::move(error)}); }

  template <class Exception>
    requires std::is_base_of_v<std::exception, std::remove_cvref_t<Exception>>
  void fail(Exception&& error) {
    fail(std::make_exception_ptr(std::forward<Exception>(error)));
  }

  /// Returns whether a value published now could still reach anyone.
  [[nodiscard]] bool is_live() const { return detail::is_live(end_.get()); }

  /// Un-publishes without ending the stream. Closing twice is harmless.
  void close() {
    if (!end_)
      detail::closed_twice("publisher");
    end_.reset();
  }

 private:
  detail::outlet_ptr end_;
};

} // namespace puma
