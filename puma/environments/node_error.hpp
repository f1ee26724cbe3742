// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/error.hpp"

namespace puma {

/// A node could not be used. The text names the node, what happened, and the
/// way out. The classes below say what to do next.
class node_error : public error {
 public:
  using error::error;
};

/// Nobody accepts connections at the address, or it cannot be resolved or
/// reached: start the node, or correct the address.
class node_unreachable : public node_error {
 public:
  using node_error::node_error;
};

/// Something accepted the connection but said nothing in time: the node hangs,
/// or is overloaded, or something else listens there.
class node_silent : public node_error {
 public:
  using node_error::node_error;
};

/// What listens there speaks another protocol: it is no node, or one side uses
/// TLS and the other does not.
class not_a_node : public node_error {
 public:
  using node_error::node_error;
};

/// The node speaks another version of the protocol, or runs another build of
/// the application: bring both to the same build. The text says what differs.
class node_mismatch : public node_error {
 public:
  using node_error::node_error;
};

/// The tokens of the two sides differ: give both the same.
class node_refused : public node_error {
 public:
  using node_error::node_error;
};

/// One side does not accept the certificate of the other: it was not signed by
/// the given CA, has expired, or is missing.
class certificate_refused : public node_error {
 public:
  using node_error::node_error;
};

/// The node's certificate is good, but was made for another host.
class wrong_host : public certificate_refused {
 public:
  using certificate_refused::certificate_refused;
};

} // namespace puma
