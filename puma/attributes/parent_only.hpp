// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/attributes/detail/own_attribute.hpp"

namespace puma {

/// An attribute that stays with the object which is handed over, such as what
/// the parent needs to control the child. The child has none: access there is a
/// `scope_error`. A factory is called when the value is used first.
///
/// *Threads* and *failure*: see `attribute`.
template <class T>
class parent_only : public detail::own_attribute<T, detail::own_by::parent> {
 public:
  using detail::own_attribute<T, detail::own_by::parent>::own_attribute;
};

} // namespace puma
