// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/private_directory.hpp"

#include "puma/base/error.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr const char* name_template = "/puma-XXXXXX";

/// Whether the path of a file in a private directory there fits, with its
/// slash and the terminating zero.
bool is_short_enough(const std::string& parent) {
  return parent.size() + std::strlen(name_template) + 1
           + private_directory::max_name + 1
         <= sizeof(sockaddr_un::sun_path);
}

/// Whether the user, and not somebody else, decides what is in there: `sudo -E`
/// leaves the variable of another user.
bool is_ours(const std::string& directory) {
  struct stat status {};
  return ::stat(directory.c_str(), &status) == 0 && S_ISDIR(status.st_mode)
         && status.st_uid == ::geteuid();
}

std::vector<std::string> candidates() {
  std::vector<std::string> result;
  const auto* runtime = std::getenv("XDG_RUNTIME_DIR");
  if (runtime != nullptr && *runtime == '/' && is_ours(runtime))
    result.emplace_back(runtime);
  std::error_code failed;
  const auto temporary = std::filesystem::temp_directory_path(failed);
  if (!failed && temporary.is_absolute())
    result.push_back(temporary.string());
  result.emplace_back("/tmp");
  std::erase_if(result, [](const auto& x) { return !is_short_enough(x); });
  return result;
}

} // namespace

private_directory::private_directory() {
  int reason = 0;
  for (const auto& parent : candidates()) {
    path_ = parent + name_template;
    if (::mkdtemp(path_.data()) != nullptr)
      return;
    reason = errno;
  }
  throw error{
    "cannot make a directory for sockets in $XDG_RUNTIME_DIR, the "
    "directory for temporary files, or /tmp: "
    + std::string{std::strerror(reason)}};
}

private_directory::~private_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

} // namespace puma::internal
