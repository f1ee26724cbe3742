// SPDX-License-Identifier: Apache-2.0

#include "puma/base/internal/names.hpp"

#include <cstdlib>
#include <memory>

#include <cxxabi.h>
#include <unistd.h>

namespace puma::internal {

std::string readable_type_name(const std::type_info& type) {
  int status = 0;
  std::unique_ptr<char, decltype(&std::free)> name{
    abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free};
  return status == 0 && name ? name.get() : type.name();
}

const std::string& node_name() {
  static const std::string name = [] {
    char host[256] = {};
    if (::gethostname(host, sizeof(host) - 1) != 0)
      return "localhost/" + std::to_string(::getpid());
    return std::string{host} + "/" + std::to_string(::getpid());
  }();
  return name;
}

} // namespace puma::internal
