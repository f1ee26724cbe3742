// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/net_address.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include <arpa/inet.h>

namespace puma::internal {

namespace {

constexpr std::string_view tls_scheme = "tls://";
constexpr std::string_view tcp_scheme = "tcp://";

constexpr std::size_t longest_host = 253;

} // namespace

net_address net_address::parse(std::string_view text) {
  const auto fail = [text](const char* why) {
    throw usage_error{"node address '" + std::string{text} + "': " + why
                      + "; it has the form tls://host:port"};
  };
  net_address result;
  auto rest = text;
  if (rest.starts_with(tcp_scheme))
    result.tls = false;
  else if (!rest.starts_with(tls_scheme))
    fail("it begins with neither tls:// nor tcp://");
  rest.remove_prefix(tls_scheme.size());
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos)
      fail("a bracket is not closed");
    result.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    in6_addr ignored{};
    if (::inet_pton(AF_INET6, result.host.c_str(), &ignored) != 1)
      fail("what is in brackets is no IPv6 address");
  } else {
    const auto end = rest.rfind(':');
    result.host = rest.substr(0, end);
    rest.remove_prefix(std::min(end, rest.size()));
    if (result.host.find(':') != std::string::npos)
      fail("an IPv6 address has to be in brackets");
  }
  if (result.host.empty())
    fail("the host is missing");
  if (result.host.size() > longest_host
      || std::any_of(result.host.begin(), result.host.end(), [](char x) {
           return static_cast<unsigned char>(x) <= ' ' || x == '/' || x == '@';
         }))
    fail("the host is no name of a host");
  if (!rest.starts_with(':'))
    fail("the port is missing");
  rest.remove_prefix(1);
  std::uint16_t port = 0;
  const auto [end, status] = std::from_chars(rest.data(),
                                             rest.data() + rest.size(), port);
  if (status != std::errc{} || end != rest.data() + rest.size())
    fail("the port is no number up to 65535");
  result.port = std::to_string(port);
  return result;
}

std::string net_address::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  std::string result{tls ? tls_scheme : tcp_scheme};
  result += is_v6 ? "[" + host + "]" : host;
  return result + ":" + port;
}

bool net_address::is_numeric() const {
  in6_addr ignored{};
  return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1
         || ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

} // namespace puma::internal
