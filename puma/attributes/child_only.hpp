// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/attributes/detail/own_attribute.hpp"

namespace puma {

/// An attribute that the child makes for itself, such as an open file or a
/// connection:
///
///     puma::child_only<database> db_{"db", [] { return database{"main"}; }};
///
/// The factory is called in the child's scope: when an object has been handed
/// over, before `on_start`; otherwise when the value is used first. A value in
/// its place, or the default one, belongs to the child as well. Nothing goes
/// from one scope to the other, so `T` need neither be copied nor cross. In the
/// parent's scope, access is a `scope_error`.
///
/// *Threads* and *failure*: see `attribute`.
template <class T>
class child_only : public detail::own_attribute<T, detail::own_by::child> {
 public:
  using detail::own_attribute<T, detail::own_by::child>::own_attribute;
};

} // namespace puma
