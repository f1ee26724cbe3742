// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/publisher.hpp"
#include "puma/buffers/subscription.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace puma {

/// A bounded, typed first-in-first-out channel between runnables and threads.
///
/// A `buffer<T>` is a cheap handle; copies denote the same buffer. It belongs
/// to neither end: make it first, pass it to the runnables it connects, and
/// keep it until they have ended. Values only need to be nothrow-movable.
///
/// *Threads.* All functions may be called from any thread.
///
/// *Lifetime.* Values published before anyone subscribes wait in the buffer,
/// up to its capacity; so does the end of the stream. What nobody took when the
/// last handle and end are gone is discarded with a warning that counts it.
///
/// *End of stream.* With several publishers the stream ends when the last open
/// one has gone and at least one has completed; an error ends it at once.
template <class T>
class buffer {
 public:
  using value_type = T;

  /// A handle to nothing; using it is a `usage_error`.
  buffer() noexcept = default;

  /// Makes a buffer for `capacity` values, at least 1, with a non-empty name;
  /// anything else is a `usage_error`. Storage is taken on first use.
  buffer(std::string name, std::size_t capacity, buffer_options options = {})
    : core_(std::make_shared<detail::buffer_core>(
      std::move(name), capacity, detail::value_ops_of<T>::value, options)) {}

  /// For the parts of puma that do not know `T`: a handle to what `core` is.
  explicit buffer(detail::buffer_core_ptr core) noexcept
    : core_(std::move(core)) {}

  [[nodiscard]] std::string_view name() const {
    return detail::name_of(core());
  }

  /// Returns the capacity in values.
  [[nodiscard]] std::size_t capacity() const {
    return detail::capacity_of(core());
  }

  /// Returns what happened to the buffer's values so far.
  [[nodiscard]] buffer_stats stats() const { return detail::stats_of(core()); }

  /// Opens a publisher for the calling thread. (A runnable opens its own with
  /// `publish_to`.)
  [[nodiscard]] publisher<T>
  open_publisher(publish_options options = {}) const {
    return publisher<T>{detail::open_outlet(core(), options)};
  }

  /// Opens the subscription. A second one at the same time is a `usage_error`.
  [[nodiscard]] subscription<T> subscribe() const {
    return subscription<T>{detail::open_inlet(core())};
  }

  /// Returns whether both handles denote the same buffer.
  friend bool operator==(const buffer&, const buffer&) noexcept = default;

  /// The type-erased buffer, for the parts of puma that do not know `T`.
  [[nodiscard]] const detail::buffer_core& core() const {
    if (!core_)
      detail::throw_no_buffer();
    return *core_;
  }

  /// The same, for those that keep it.
  [[nodiscard]] const detail::buffer_core_ptr& shared_core() const {
    if (!core_)
      detail::throw_no_buffer();
    return core_;
  }

 private:
  detail::buffer_core_ptr core_;
};

/// A handle crosses as what it denotes: all processes share the buffer.
template <class T>
struct codec<buffer<T>> {
  static constexpr std::size_t least_bytes = 8;

  static void encode(encoder& to, const buffer<T>& x) {
    detail::export_buffer(to, x.shared_core());
  }

  static void decode(decoder& from, buffer<T>& x) {
    if (auto core = detail::import_buffer(from, detail::value_ops_of<T>::value))
      x = buffer<T>{std::move(core)};
  }
};

} // namespace puma
