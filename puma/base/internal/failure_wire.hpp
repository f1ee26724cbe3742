// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/codec.hpp"
#include "puma/base/failure.hpp"

#include <cstddef>

namespace puma::internal {

/// Of a chain of causes, so many failures cross; the oldest are left out.
inline constexpr std::size_t max_causes = 32;

/// Appends a failure with its exception and its causes. Exceptions of unknown
/// types are replaced by `remote_error`.
void encode(encoder& to, const failure& x);

/// Returns the failure that was encoded. While one with its id is alive in this
/// process, whether it came earlier or began here, they share their record, so
/// that it is claimed once. If `from` fails, returns a failure that says so.
failure decode_failure(decoder& from);

} // namespace puma::internal
