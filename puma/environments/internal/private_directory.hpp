// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <string>

namespace puma::internal {

/// A fresh directory for sockets that only this user can enter. It is in
/// $XDG_RUNTIME_DIR, or where temporary files belong.
class private_directory {
 public:
  /// The names of files inside are at most so long; then their paths fit into
  /// the address of a socket.
  static constexpr std::size_t max_name = 24;

  /// Throws `error` when there is no place for it.
  private_directory();

  private_directory(const private_directory&) = delete;
  private_directory& operator=(const private_directory&) = delete;

  /// Removes the directory with all that is inside. Follows no symbolic link.
  ~private_directory();

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

} // namespace puma::internal
