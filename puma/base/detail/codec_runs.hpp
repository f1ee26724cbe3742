// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/detail/codec_fwd.hpp"
#include "puma/base/detail/crossing.hpp"
#include "puma/base/encoder.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// How values and runs of values are written and read, and what is shared by
/// the codecs of all kinds.
namespace puma::detail {

/// Says in a sentence what is wrong and what to do.
std::string describe_obstacle(std::string_view type, std::string_view part,
                              std::string_view why, std::string_view holder);

[[noreturn]] void throw_cannot_cross(std::string what);
[[noreturn]] void throw_valueless(std::string_view type);
[[noreturn]] void throw_refused(std::string_view type);
std::string refused_text(std::string_view type, std::string_view field);
std::string bad_index_text(std::string_view type, std::size_t index);

// -- entry points -------------------------------------------------------------

template <class T>
void encode_value(encoder& to, const T& x) {
  if constexpr (is_block<T>)
    to.block(&x, sizeof(T));
  else
    codec<T>::encode(to, x);
}

template <class T>
void decode_value(decoder& from, T& x) {
  if constexpr (is_block<T>)
    from.block(&x, sizeof(T));
  else
    codec<T>::decode(from, x);
}

template <class T>
constexpr std::size_t least_bytes_of() {
  static_assert(codec<T>::least_bytes != 0,
                "each value must take at least one byte, or a length in bad "
                "bytes could ask for any number of them");
  return codec<T>::least_bytes;
}

/// Counts how deep values of a type that may hold itself are nested.
class encode_scope {
 public:
  explicit encode_scope(encoder& to) : to_(to) { to_.enter(); }
  encode_scope(const encode_scope&) = delete;
  encode_scope& operator=(const encode_scope&) = delete;
  ~encode_scope() { to_.leave(); }

 private:
  encoder& to_;
};

class decode_scope {
 public:
  explicit decode_scope(decoder& from) noexcept
    : from_(from),
      entered_(from.enter()) {}
  decode_scope(const decode_scope&) = delete;
  decode_scope& operator=(const decode_scope&) = delete;
  ~decode_scope() { from_.leave(); }

  explicit operator bool() const noexcept { return entered_; }

 private:
  decoder& from_;
  bool entered_;
};

// -- runs of elements ---------------------------------------------------------

template <class T>
void encode_run(encoder& to, const T* first, std::size_t count) {
  if constexpr (is_block<T>) {
    to.block(first, count * sizeof(T));
  } else {
    for (std::size_t i = 0; i != count; ++i)
      encode_value(to, first[i]);
  }
}

/// Room for this many elements is made at once. A length in bad bytes must not
/// allocate much more than the bytes could fill; more room comes with the
/// elements.
template <class T>
std::size_t affordable(const decoder& from, std::size_t count) {
  return std::min(count, from.remaining() * 16 / sizeof(T));
}

/// Reads a run of blocks without going through memory twice: the zeroes that
/// `resize` writes are still in the cache when they are overwritten.
template <class Container>
void decode_blocks(decoder& from, Container& x) {
  using value = typename Container::value_type;
  constexpr std::size_t step = std::max<std::size_t>(1, 8192 / sizeof(value));
  const auto count = from.size(sizeof(value));
  const auto* data = from.view(count * sizeof(value));
  x.clear();
  if (data == nullptr)
    return;
  if constexpr (sizeof(value) == 1 && std::is_same_v<value, char>) {
    x.assign(reinterpret_cast<const char*>(data), count);
  } else {
    x.reserve(count);
    for (std::size_t done = 0; done != count;) {
      const auto next = std::min(step, count - done);
      x.resize(done + next);
      std::memcpy(x.data() + done, data + done * sizeof(value),
                  next * sizeof(value));
      done += next;
    }
  }
}

template <class Container>
concept has_block_storage = is_block<
  typename Container::value_type> && requires(Container& x) {
  x.data();
  x.reserve(1);
};

template <class T>
void encode_sequence(encoder& to, const T& x) {
  using value = typename T::value_type;
  to.size(x.size());
  if constexpr (has_block_storage<T>) {
    to.block(x.data(), x.size() * sizeof(value));
  } else if constexpr (std::is_same_v<value, bool>) {
    for (const bool element : x)
      to.number(element);
  } else {
    for (const auto& element : x)
      encode_value(to, element);
  }
}

template <class T>
void decode_sequence(decoder& from, T& x) {
  using value = typename T::value_type;
  if constexpr (has_block_storage<T>) {
    decode_blocks(from, x);
  } else {
    x.clear();
    const auto count = from.size(least_bytes_of<value>());
    if constexpr (requires { x.reserve(count); })
      x.reserve(affordable<value>(from, count));
    for (std::size_t i = 0; i != count && from.ok(); ++i) {
      if constexpr (std::is_same_v<value, bool>) {
        x.push_back(from.number<bool>());
      } else {
        x.emplace_back();
        decode_value(from, x.back());
      }
    }
  }
}

template <class T>
void decode_set(decoder& from, T& x) {
  using value = typename T::value_type;
  x.clear();
  const auto count = from.size(least_bytes_of<value>());
  if constexpr (requires { x.reserve(count); })
    x.reserve(affordable<value>(from, count));
  for (std::size_t i = 0; i != count && from.ok(); ++i) {
    value element{};
    decode_value(from, element);
    if (from.ok())
      x.emplace_hint(x.end(), std::move(element));
  }
}

template <class T>
void decode_map(decoder& from, T& x) {
  using key = typename T::key_type;
  using mapped = typename T::mapped_type;
  x.clear();
  const auto count = from.size(least_bytes_of<key>()
                               + least_bytes_of<mapped>());
  if constexpr (requires { x.reserve(count); })
    x.reserve(affordable<typename T::value_type>(from, count));
  for (std::size_t i = 0; i != count && from.ok(); ++i) {
    key first{};
    mapped second{};
    decode_value(from, first);
    decode_value(from, second);
    if (from.ok())
      x.emplace_hint(x.end(), std::move(first), std::move(second));
  }
}

} // namespace puma::detail
