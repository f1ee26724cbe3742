// SPDX-License-Identifier: Apache-2.0

#include "files.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace fs = std::filesystem;

namespace word_count {

namespace {

void sort_in(const fs::directory_entry& entry, file_list& result,
             std::vector<fs::path>& directories) {
  std::error_code error;
  switch (entry.symlink_status(error).type()) {
  case fs::file_type::directory:
    directories.push_back(entry.path());
    break;
  case fs::file_type::regular:
    // A size that is wrong, or 0, spoils nothing but the progress bar.
    if (const auto size = entry.file_size(error); !error)
      result.bytes += size;
    result.paths.push_back(entry.path().string());
    break;
  case fs::file_type::none:
  case fs::file_type::not_found:
    result.failures.push_back({entry.path().string(), error.message()});
    break;
  default:
    ++result.left_out;
  }
}

} // namespace

file_list find_files(const fs::path& directory) {
  file_list result;
  std::vector<fs::path> directories{directory};
  while (!directories.empty()) {
    const auto path = std::move(directories.back());
    directories.pop_back();
    std::error_code error;
    fs::directory_iterator it{path, error};
    for (; !error && it != fs::directory_iterator{}; it.increment(error))
      sort_in(*it, result, directories);
    if (error && path == directory)
      throw std::system_error{error};
    if (error)
      result.failures.push_back({path.string(), error.message()});
  }
  std::sort(result.paths.begin(), result.paths.end());
  return result;
}

} // namespace word_count
