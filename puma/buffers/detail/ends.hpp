// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/buffers/detail/window.hpp"
#include "puma/buffers/options.hpp"
#include "puma/buffers/status.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

/// The compiled, type-erased operations behind buffers and their ends.
namespace puma::internal {
class party;
class queue;
} // namespace puma::internal

namespace puma::detail {

/// What all handles of one buffer share; reports when the last one goes while
/// the buffer is in use.
class buffer_core {
 public:
  buffer_core(std::string name, std::size_t capacity, const value_ops& ops,
              buffer_options options);
  buffer_core(const buffer_core&) = delete;
  buffer_core& operator=(const buffer_core&) = delete;
  ~buffer_core();

  [[nodiscard]] const std::shared_ptr<internal::queue>& queue() const noexcept {
    return queue_;
  }

 private:
  std::shared_ptr<internal::queue> queue_;
};

using buffer_core_ptr = std::shared_ptr<buffer_core>;

[[nodiscard]] std::string_view name_of(const buffer_core& x) noexcept;
[[nodiscard]] std::size_t capacity_of(const buffer_core& x) noexcept;
[[nodiscard]] buffer_stats stats_of(const buffer_core& x);

/// Throws the error for a default-constructed handle.
[[noreturn]] void throw_no_buffer();

// -- between processes --------------------------------------------------------

/// Encodes a handle. Throws `usage_error` when its values cannot cross, or when
/// it is not on its way to another process.
void export_buffer(encoder& to, const buffer_core_ptr& x);

/// Decodes a handle; null when `from` fails.
[[nodiscard]] buffer_core_ptr import_buffer(decoder& from,
                                            const value_ops& ops);

// -- the publisher's end ------------------------------------------------------

struct outlet_deleter {
  void operator()(write_window* x) const noexcept;
};

/// Owns an internal::outlet.
using outlet_ptr = std::unique_ptr<write_window, outlet_deleter>;

/// Opens a publisher for a plain thread, or for the runnable whose hook is
/// running on this thread.
[[nodiscard]] outlet_ptr open_outlet(const buffer_core& x,
                                     publish_options options);

[[nodiscard]] std::string_view name_of(const write_window* x);
publish_result publish(write_window* x, void* value);
publish_result publish_for(write_window* x, void* value,
                           std::chrono::nanoseconds timeout);
publish_result try_publish(write_window* x, void* value);
void flush(write_window* x);
void complete(write_window* x);
void fail(write_window* x, const failure& error);
[[nodiscard]] bool is_live(const write_window* x);
[[nodiscard]] std::size_t backlog(const write_window* x);
/// Logs that a publisher or subscription was closed twice.
void closed_twice(std::string_view what);

// -- the subscription's end ---------------------------------------------------

struct inlet_deleter {
  void operator()(read_window* x) const noexcept;
};

/// Owns an internal::inlet.
using inlet_ptr = std::unique_ptr<read_window, inlet_deleter>;

[[nodiscard]] inlet_ptr open_inlet(const buffer_core& x);

[[nodiscard]] std::string_view name_of(const read_window* x);
receive_status receive(read_window* x);
receive_status receive_for(read_window* x, std::chrono::nanoseconds timeout);
receive_status try_receive(read_window* x);
/// Frees the place of the window's first value, which has been destroyed, and
/// wakes a publisher that waits for it.
void release_one(read_window* x, std::size_t value_size) noexcept;
[[nodiscard]] const failure& error_of(const read_window* x);

} // namespace puma::detail
