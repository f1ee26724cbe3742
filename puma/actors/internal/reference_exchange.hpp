// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"

namespace puma::internal {

/// Takes references to and from other processes. The context of encoders and
/// decoders has one.
class reference_exchange {
 public:
  /// Encodes a reference, for another process of the runtime. Throws
  /// `usage_error` when it refers to nothing that others could call.
  virtual void export_reference(encoder& to, const detail::target_ptr& x) = 0;

  /// Decodes one; null after a failure.
  virtual detail::target_ptr import_reference(decoder& from) = 0;

 protected:
  ~reference_exchange() = default;
};

} // namespace puma::internal
