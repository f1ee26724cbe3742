// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace word_count {

/// What there is to count.
struct file_list {
  struct failure {
    std::string path;
    std::string reason;
  };

  std::vector<std::string> paths; ///< Regular files, sorted.
  std::uintmax_t bytes = 0;       ///< Their sizes together.
  std::size_t left_out = 0;       ///< Symbolic links and special files.
  std::vector<failure> failures;  ///< What could not be looked at.
};

/// Returns all regular files under `directory`. Does not follow symbolic links,
/// except for `directory` itself, as `find -H DIRECTORY -type f` does. Throws
/// `std::system_error` when `directory` cannot be listed.
[[nodiscard]] file_list find_files(const std::filesystem::path& directory);

} // namespace word_count
