// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/logging/logging.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace puma_test {

/// A directory for log files, gone with this object.
class log_directory {
 public:
  log_directory() {
    auto name = (std::filesystem::temp_directory_path() / "puma-log-XXXXXX")
                  .string();
    if (::mkdtemp(name.data()))
      path_ = name;
  }

  log_directory(const log_directory&) = delete;
  log_directory& operator=(const log_directory&) = delete;

  ~log_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& directory() const noexcept {
    return path_;
  }

  [[nodiscard]] std::string file() const { return path_ / "test.log"; }

  /// Lets all lines of `level` go to one handler. In its text FILE stands for
  /// the name of the file; there is a formatter `short`, logger and text.
  /// `more` is added to the configuration.
  void configure(std::string handler, const std::string& level = "info",
                 const std::string& more = {}) const {
    if (const auto at = handler.find("FILE"); at != std::string::npos)
      handler.replace(at, 4, file());
    puma::logging::configure(puma::logging::yaml{
      "formatters: {short: {format: '%n %v'}}\nhandlers:\n  it: " + handler
      + "\nroot: {level: " + level + ", handlers: [it]}\n" + more});
  }

  /// All files that there are.
  [[nodiscard]] std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> result;
    for (auto& x : std::filesystem::directory_iterator{path_})
      result.push_back(x.path());
    std::sort(result.begin(), result.end());
    return result;
  }

  [[nodiscard]] static std::vector<std::string>
  lines_of(const std::filesystem::path& file) {
    std::vector<std::string> result;
    std::ifstream in{file};
    for (std::string text; std::getline(in, text);)
      result.push_back(text);
    return result;
  }

  [[nodiscard]] std::vector<std::string> lines() const {
    return lines_of(file());
  }

 private:
  std::filesystem::path path_;
};

} // namespace puma_test
