// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/net_hosts.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace puma_test {

namespace {

using puma::internal::owned_descriptor;

constexpr const char* cable = "cable";
constexpr const char* second_cable = "second";
constexpr const char* second_far_address = "10.213.78.2";

void check(bool ok, const std::string& what) {
  if (!ok)
    throw std::runtime_error{what + ": " + std::strerror(errno)};
}

/// Returns where the calling thread is.
owned_descriptor this_network() {
  owned_descriptor result{
    ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)};
  check(result.get() >= 0, "/proc/thread-self/ns/net");
  return result;
}

owned_descriptor new_network() {
  const auto before = this_network();
  check(::unshare(CLONE_NEWNET) == 0, "no network namespace can be made");
  auto result = this_network();
  check(::setns(before.get(), CLONE_NEWNET) == 0, "setns");
  return result;
}

/// Runs `ip` where the calling thread is.
void ip(const std::string& arguments) {
  const auto command = "ip " + arguments;
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0)
    throw std::runtime_error{"failed: " + command};
}

} // namespace

net_hosts::visit::visit(const owned_descriptor& host) {
  if (host.get() < 0)
    return;
  before_ = this_network();
  check(::setns(host.get(), CLONE_NEWNET) == 0, "setns");
}

net_hosts::visit::~visit() {
  if (before_.get() >= 0)
    ::setns(before_.get(), CLONE_NEWNET);
}

net_hosts::net_hosts() noexcept {
  try {
    set_up();
  } catch (const std::exception& failed) {
    near_ = owned_descriptor{};
    far_ = owned_descriptor{};
    obstacle_ = std::string{"needs two network namespaces: "} + failed.what();
  }
}

void net_hosts::set_up() {
  near_ = new_network();
  far_ = new_network();
  const auto far = "/proc/" + std::to_string(::getpid()) + "/fd/"
                   + std::to_string(far_.get());
  const auto connect = [](const char* cable, const std::string& address) {
    ip("address add " + address + "/30 dev " + cable);
    ip(std::string{"link set "} + cable + " up");
  };
  {
    const auto there = visit_near();
    ip("link set lo up");
    for (const std::string x : {cable, second_cable})
      ip("link add " + x + " type veth peer name " + x + " netns " + far);
    connect(cable, near_address);
    connect(second_cable, second_near_address);
  }
  const auto there = visit_far();
  ip("link set lo up");
  connect(cable, far_address);
  connect(second_cable, second_far_address);
}

void net_hosts::lose_on_second() const {
  // To a place where nobody is.
  const auto mislead = [](const char* address) {
    ip(std::string{"neighbour replace "} + address
       + " lladdr 02:00:00:00:00:01 nud permanent dev " + second_cable);
  };
  {
    const auto there = visit_near();
    mislead(second_far_address);
  }
  const auto there = visit_far();
  mislead(second_near_address);
}

void net_hosts::pull_cable() const {
  const auto there = visit_far();
  ip(std::string{"link set "} + cable + " down");
}

void net_hosts::plug_cable() const {
  const auto there = visit_far();
  ip(std::string{"link set "} + cable + " up");
}

} // namespace puma_test
