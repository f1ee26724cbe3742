// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <string>
#include <string_view>

namespace puma::internal {

/// Where a node listens: `tls://host:port` or `tcp://host:port`. An IPv6
/// address stands in brackets.
struct net_address {
  bool tls = true;
  std::string host;
  std::string port;

  /// Throws `usage_error` that says what is wrong.
  static net_address parse(std::string_view text);

  [[nodiscard]] std::string to_string() const;

  /// Returns whether `host` is an IP address.
  [[nodiscard]] bool is_numeric() const;

  friend bool operator==(const net_address&, const net_address&) = default;
};

} // namespace puma::internal
