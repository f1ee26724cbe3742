// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/attributes/detail/own_attribute.hpp"

namespace puma {

/// An attribute of which each scope makes a fresh value for itself, from the
/// same value or factory. What one of them does to it, the other does not see.
/// Nothing goes from one scope to the other, so `T` need neither be copied nor
/// cross. A factory is called when the value is used first; in a child of an
/// object that has been handed over, before `on_start`.
///
/// *Threads* and *failure*: see `attribute`.
template <class T>
class per_scope : public detail::own_attribute<T, detail::own_by::both> {
 public:
  using detail::own_attribute<T, detail::own_by::both>::own_attribute;
};

} // namespace puma
