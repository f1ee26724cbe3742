// SPDX-License-Identifier: Apache-2.0

#pragma once

namespace puma {

/// True for types whose values must stay in one process although their fields
/// could leave it. Specialise it for yours.
template <class T>
inline constexpr bool thread_only = false;

/// How values of `T` cross. Specialise it for types that need more than
/// `inspect`; `T` must have a default constructor, and each value must take at
/// least `least_bytes` bytes, which must not be 0.
template <class T, class = void>
struct codec;

} // namespace puma
