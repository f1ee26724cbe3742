// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/detail/codec_fwd.hpp"
#include "puma/base/detail/codec_inspected.hpp"
#include "puma/base/detail/codec_kinds.hpp"
#include "puma/base/detail/codec_runs.hpp"
#include "puma/base/detail/crossing.hpp"
#include "puma/base/encoder.hpp"

#include <cstddef>
#include <exception>
#include <new>
#include <string>
#include <type_traits>

namespace puma::detail {

/// How links, which do not know `T`, encode and decode values of `T`.
struct wire_ops {
  void (*encode)(encoder& to, const void* first, std::size_t count);
  /// Makes up to `count` values in uninitialised memory; returns how many were
  /// made: all, if `from.ok()`.
  std::size_t (*decode)(decoder& from, void* to, std::size_t count) noexcept;
  /// No value takes less.
  std::size_t least_bytes;
};

template <class T>
struct wire_ops_for {
  static void encode(encoder& to, const void* first, std::size_t count) {
    encode_run(to, static_cast<const T*>(first), count);
  }

  static std::size_t decode(decoder& from, void* to,
                            std::size_t count) noexcept {
    if constexpr (is_block<T>) {
      if (count > from.remaining() / sizeof(T)) {
        from.fail("the values end early");
        return 0;
      }
      return from.block(to, count * sizeof(T)) ? count : 0;
    } else {
      auto* target = static_cast<T*>(to);
      for (std::size_t i = 0; i != count; ++i) {
        if (!decode_one(from, target + i))
          return i;
      }
      return count;
    }
  }

  static constexpr wire_ops value{&encode, &decode, least_bytes_of<T>()};

 private:
  static bool decode_one(decoder& from, T* to) noexcept {
    T* made = nullptr;
    try {
      if (from.ok()) {
        made = ::new (static_cast<void*>(to)) T();
        decode_value(from, *made);
      }
    } catch (const std::exception& x) {
      from.fail(x.what());
    } catch (...) {
      from.fail("an exception without a text");
    }
    if (!from.ok() && made != nullptr)
      made->~T();
    return from.ok();
  }
};

/// Null unless `T` can cross.
template <class T>
constexpr const wire_ops* wire_ops_of() noexcept {
  if constexpr (!obstacle_of<T>())
    return &wire_ops_for<T>::value;
  else
    return nullptr;
}

} // namespace puma::detail

namespace puma {

template <class T, class>
struct codec {
  /// Tells it from the specialisations.
  using built_in = void;

  static constexpr std::size_t least_bytes = detail::codec_of<
    T, detail::kind_of<T>>::least_bytes;

  static void encode(encoder& to, const T& x) {
    detail::codec_of<T, detail::kind_of<T>>::encode(to, x);
  }

  static void decode(decoder& from, T& x) {
    detail::codec_of<T, detail::kind_of<T>>::decode(from, x);
  }
};

} // namespace puma
