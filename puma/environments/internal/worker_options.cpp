// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/worker_options.hpp"

#include "puma/base/error.hpp"

#include <charconv>
#include <string_view>

#include <sys/stat.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr std::string_view option = "--puma-worker=";

template <class T>
bool take_number(std::string_view& from, T& to) {
  const auto [end, status] = std::from_chars(from.data(),
                                             from.data() + from.size(), to);
  if (status != std::errc{})
    return false;
  from.remove_prefix(static_cast<std::size_t>(end - from.data()));
  if (!from.empty() && from.front() == ',')
    from.remove_prefix(1);
  return true;
}

} // namespace

std::vector<std::string> worker_options::arguments() const {
  return {std::string{option} + std::to_string(parent) + ","
          + std::to_string(self) + "," + std::to_string(threads) + ","
          + directory + "," + name};
}

std::optional<worker_options> worker_options::parse(int argc,
                                                    const char* const* argv) {
  if (argc != 2 || !std::string_view{argv[1]}.starts_with(option))
    return std::nullopt;
  const auto fail = [&] {
    throw usage_error{std::string{"command line: "} + argv[1]
                      + " is for processes that puma starts"};
  };
  auto rest = std::string_view{argv[1]}.substr(option.size());
  worker_options result;
  if (!take_number(rest, result.parent) || !take_number(rest, result.self)
      || !take_number(rest, result.threads))
    fail();
  // Names have no comma, which a directory might.
  const auto end = rest.rfind(',');
  if (end == std::string_view::npos || end + 1 == rest.size()
      || (end != 0 && rest.front() != '/'))
    fail();
  result.directory = rest.substr(0, end);
  result.name = rest.substr(end + 1);
  return result;
}

const std::string& build_fingerprint() {
  static const auto text = [] {
    std::string result = "wire " + std::to_string(wire_version) + ", "
                         + __VERSION__;
    struct stat file {};
    if (::stat("/proc/self/exe", &file) == 0)
      result += ", executable of " + std::to_string(file.st_size) + " bytes of "
                + std::to_string(file.st_mtim.tv_sec) + "."
                + std::to_string(file.st_mtim.tv_nsec);
    return result;
  }();
  return text;
}

} // namespace puma::internal
