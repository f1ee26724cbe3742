// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/net_socket.hpp"
#include "tests/processes/nodes.hpp"
#include "tests/processes/places.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>

/// What tests of nodes that strangers come to have in common.
namespace puma_test {

/// A CA, and what it has signed.
class authority {
 public:
  explicit authority(const std::string& name);

  [[nodiscard]] std::string file(const std::string& suffix) const;

  /// Makes a certificate for `names`, such as `IP:127.0.0.1`.
  [[nodiscard]] puma::node_credentials issue(const std::string& who,
                                             const std::string& names) const;

 private:
  [[nodiscard]] std::string new_key(const std::string& who) const;

  const std::string name_;
  scratch_directory directory_;
};

[[nodiscard]] node_setup with_tls(const puma::node_credentials& x);

[[nodiscard]] puma::node_options as(puma::node_credentials x);

/// Connects to a node, and says nothing.
[[nodiscard]] puma::internal::owned_descriptor connect_to(const test_node& x);

/// What the log of a node says about those that it has refused.
struct refusals {
  std::uint64_t count = 0;
  std::size_t lines = 0;
};

[[nodiscard]] refusals refusals_of(const test_node& x);

/// A node that strangers come to, who pass neither by TLS nor by the token.
class hostile : public runtime_test,
                public ::testing::WithParamInterface<const char*> {
 protected:
  hostile();
  ~hostile() override;

  [[nodiscard]] puma::internal::owned_descriptor open() const {
    return connect_to(*there_);
  }

  /// Sends it, and waits until the node has closed the connection.
  void say(std::span<const char> text) const;

  /// `spare`: so many more may have been refused.
  void expect_refusals(std::uint64_t count, steady::time_point since,
                       std::uint64_t spare = 0) const;

  void expect_service();

  /// Descriptors of the log, which the first line opens.
  static constexpr std::size_t first_use = 2;

  [[nodiscard]] std::size_t descriptors() const;

  std::mt19937 random_{4711};
  scratch_directory directory_;
  std::unique_ptr<authority> ca_;
  node_setup setup_;
  puma::node_options options_ = insecure_node("n");
  std::unique_ptr<test_node> there_;
};

} // namespace puma_test
