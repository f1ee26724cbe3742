// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/detail/codec_fwd.hpp"
#include "puma/base/detail/codec_impl.hpp"
#include "puma/base/encoder.hpp"

#include <string>

/// By which values cross process boundaries; docs/crossing.md tells which do.
/// For types that do not cross by themselves there are an `inspect` overload,
/// a specialisation of `codec` and, to keep them at home, of `thread_only`.
namespace puma {

/// True when values of `T` may go to another process: numbers, enums, `std`
/// strings, containers, optional, variant, tuple, pair, complex, durations,
/// time points, paths and unique_ptr of such, aggregates of such, and types
/// with an `inspect` overload.
template <class T>
inline constexpr bool can_cross = !detail::obstacle_of<T>();

/// Returns why values of `T` cannot cross and what to do about it; empty if
/// they can.
template <class T>
[[nodiscard]] std::string crossing_obstacle() {
  return detail::obstacle_text<T>();
}

/// Appends `x`. Throws `usage_error` for a value that cannot cross, such as a
/// valueless variant; bytes of its beginning may remain in `to`.
template <class T>
void encode(encoder& to, const T& x) {
  static_assert(can_cross<T>,
                "values of this type cannot cross a process "
                "boundary; puma::crossing_obstacle<T>() says why");
  detail::encode_value(to, x);
}

/// Reads into `x`. When `from` fails, `x` may hold a part of the value.
template <class T>
void decode(decoder& from, T& x) {
  static_assert(can_cross<T>,
                "values of this type cannot cross a process "
                "boundary; puma::crossing_obstacle<T>() says why");
  detail::decode_value(from, x);
}

} // namespace puma
