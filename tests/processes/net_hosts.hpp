// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_socket.hpp"

#include <string>

namespace puma_test {

/// Two hosts with two cables between them, as far as the network is concerned:
/// network namespaces. They have no names, so that they go with the processes
/// in them, also when this one is killed; and other tests may have the same
/// addresses at the same time.
///
/// Needs to be root, and the program `ip`.
class net_hosts {
 public:
  static constexpr const char* near_address = "10.213.77.1";
  static constexpr const char* far_address = "10.213.77.2";

  /// The near host's at the second cable, which only the far host needs to get
  /// there.
  static constexpr const char* second_near_address = "10.213.78.1";

  /// Does not throw: see `obstacle`.
  net_hosts() noexcept;

  /// Why there are none; empty: there are.
  [[nodiscard]] const std::string& obstacle() const noexcept {
    return obstacle_;
  }

  /// Pulls the cable out of the far host, and puts it in again.
  void pull_cable() const;
  void plug_cable() const;

  /// Lets what goes over the second cable get lost, without a word.
  void lose_on_second() const;

  /// While it lives, what the calling thread makes is on one of them: sockets,
  /// threads and processes. Those stay there.
  class visit {
   public:
    explicit visit(const puma::internal::owned_descriptor& host);
    visit(const visit&) = delete;
    visit& operator=(const visit&) = delete;
    ~visit();

   private:
    puma::internal::owned_descriptor before_;
  };

  /// With an obstacle there is nothing to visit, and one stays.
  [[nodiscard]] visit visit_near() const { return visit{near_}; }
  [[nodiscard]] visit visit_far() const { return visit{far_}; }

 private:
  void set_up();

  puma::internal::owned_descriptor near_;
  puma::internal::owned_descriptor far_;
  std::string obstacle_;
};

} // namespace puma_test
