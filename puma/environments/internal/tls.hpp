// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/channel.hpp"

#include <memory>
#include <string>

struct ssl_ctx_st;

namespace puma::internal {

/// The files that tell this side from others, and others from strangers, in
/// PEM.
struct tls_files {
  std::string certificate; ///< Of this side, with what leads to the CA.
  std::string key;         ///< Its private key.
  std::string ca;          ///< Who has to have signed the other's.

  friend bool operator==(const tls_files&, const tls_files&) = default;
};

/// Makes connections of TLS 1.3 on which both sides have shown a certificate.
/// There is no other kind.
///
/// *Threads.* All functions may be called from any thread.
class tls_context {
 public:
  /// Throws `usage_error` when a file is missing, cannot be read, or does not
  /// fit the others.
  explicit tls_context(const tls_files& files);

  /// Greets a node, whose certificate has to be for `host`.
  std::unique_ptr<channel> connect(owned_descriptor socket,
                                   const std::string& host,
                                   const wait_limit& limit,
                                   const std::string& name);

  /// Greets who has connected.
  std::unique_ptr<channel> accept(owned_descriptor socket,
                                  const wait_limit& limit,
                                  const std::string& name);

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

} // namespace puma::internal
