// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>

namespace puma::detail {

/// Says for its lifetime that the calling thread holds the lock of something,
/// and may run a user's function under it. If that uses the thing again, it
/// gets an error, rather than waiting for itself.
class nesting_mark {
 public:
  /// Throws `usage_error` that names the thing if this thread holds it already.
  /// `name` must last.
  nesting_mark(const void* thing, const char* kind, const std::string& name);

  nesting_mark(const nesting_mark&) = delete;
  nesting_mark& operator=(const nesting_mark&) = delete;

  ~nesting_mark();

 private:
  const void* thing_;
  const nesting_mark* outer_;
};

} // namespace puma::detail
