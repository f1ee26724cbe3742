// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/decoder.hpp"
#include "puma/base/detail/codec_fwd.hpp"
#include "puma/base/detail/codec_inspected.hpp"
#include "puma/base/detail/codec_runs.hpp"
#include "puma/base/detail/crossing.hpp"
#include "puma/base/encoder.hpp"

#include <boost/pfr/core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

/// How values of each kind are written and read.
namespace puma::detail {

template <class T, kind As>
struct codec_of;

template <class T>
struct codec_of<T, kind::number> {
  static constexpr std::size_t least_bytes = sizeof(T);
  static void encode(encoder& to, const T& x) { to.number(x); }
  static void decode(decoder& from, T& x) { x = from.number<T>(); }
};

template <class T>
struct codec_of<T, kind::string> {
  static constexpr std::size_t least_bytes = 1;
  static void encode(encoder& to, const T& x) { encode_sequence(to, x); }
  static void decode(decoder& from, T& x) { decode_blocks(from, x); }
};

template <class T>
struct codec_of<T, kind::array> {
  static constexpr std::size_t count = std::tuple_size_v<T>;
  static constexpr std::size_t least_bytes = count == 0
                                               ? 1
                                               : count
                                                   * least_bytes_of<
                                                     typename T::value_type>();

  static void encode(encoder& to, const T& x) {
    if constexpr (count == 0)
      to.number(std::uint8_t{0});
    else
      encode_run(to, x.data(), count);
  }

  static void decode(decoder& from, T& x) {
    if constexpr (count == 0)
      from.number<std::uint8_t>();
    else
      for (auto& element : x)
        decode_value(from, element);
  }
};

template <class T>
struct codec_of<T, kind::sequence> {
  static constexpr std::size_t least_bytes = 1;
  static void encode(encoder& to, const T& x) { encode_sequence(to, x); }
  static void decode(decoder& from, T& x) { decode_sequence(from, x); }
};

template <class T>
struct codec_of<T, kind::set> {
  static constexpr std::size_t least_bytes = 1;
  static void encode(encoder& to, const T& x) { encode_sequence(to, x); }
  static void decode(decoder& from, T& x) { decode_set(from, x); }
};

template <class T>
struct codec_of<T, kind::map> {
  static constexpr std::size_t least_bytes = 1;

  static void encode(encoder& to, const T& x) {
    to.size(x.size());
    for (const auto& [key, value] : x) {
      encode_value(to, key);
      encode_value(to, value);
    }
  }

  static void decode(decoder& from, T& x) { decode_map(from, x); }
};

template <class T>
struct codec_of<T, kind::optional> {
  static constexpr std::size_t least_bytes = 1;

  static void encode(encoder& to, const T& x) {
    to.number(x.has_value());
    if (x)
      encode_value(to, *x);
  }

  static void decode(decoder& from, T& x) {
    x.reset();
    if (from.number<bool>())
      decode_value(from, x.emplace());
  }
};

template <class T>
struct codec_of<T, kind::pointer> {
  using element = std::remove_const_t<typename T::element_type>;
  static constexpr std::size_t least_bytes = 1;

  static void encode(encoder& to, const T& x) {
    to.number(x != nullptr);
    if (x)
      encode_value(to, *x);
  }

  static void decode(decoder& from, T& x) {
    x.reset();
    if (from.number<bool>()) {
      auto* const object = new element();
      x.reset(object);
      decode_value(from, *object);
    }
  }
};

template <class T>
struct codec_of<T, kind::variant> {
  static constexpr std::size_t count = template_arguments_t<T>::size;
  static constexpr std::size_t least_bytes = 2;

  static void encode(encoder& to, const T& x) {
    if (x.valueless_by_exception())
      throw_valueless(type_name<T>());
    to.number(static_cast<std::uint8_t>(x.index()));
    encode_alternative(to, x, std::make_index_sequence<count>{});
  }

  static void decode(decoder& from, T& x) {
    const std::size_t index = from.number<std::uint8_t>();
    if (index >= count)
      from.fail(bad_index_text(type_name<T>(), index));
    else if (from.ok())
      decode_alternative(from, x, index, std::make_index_sequence<count>{});
  }

 private:
  template <std::size_t... I>
  static void encode_alternative(encoder& to, const T& x,
                                 std::index_sequence<I...>) {
    static_cast<void>(
      ((x.index() == I && (encode_value(to, get<I>(x)), true)) || ...));
  }

  template <std::size_t... I>
  static void decode_alternative(decoder& from, T& x, std::size_t index,
                                 std::index_sequence<I...>) {
    static_cast<void>(
      ((index == I && (decode_value(from, x.template emplace<I>()), true))
       || ...));
  }
};

template <class Types>
inline constexpr std::size_t least_bytes_of_all = 1;

template <class T, class... Ts>
inline constexpr std::size_t
  least_bytes_of_all<type_list<T, Ts...>> = (least_bytes_of<T>() + ...
                                             + least_bytes_of<Ts>());

template <class T, class... Ts>
inline constexpr std::size_t least_bytes_of_all<
  field_list<T, Ts...>> = (least_bytes_of<typename T::type>() + ...
                           + least_bytes_of<typename Ts::type>());

template <class T>
struct codec_of<T, kind::tuple> {
  using types = template_arguments_t<T>;
  static constexpr std::size_t least_bytes = least_bytes_of_all<types>;

  static void encode(encoder& to, const T& x) {
    if constexpr (types::size == 0)
      to.number(std::uint8_t{0});
    else
      encode_all(to, x, std::make_index_sequence<types::size>{});
  }

  static void decode(decoder& from, T& x) {
    if constexpr (types::size == 0)
      from.number<std::uint8_t>();
    else
      decode_all(from, x, std::make_index_sequence<types::size>{});
  }

 private:
  template <std::size_t... I>
  static void encode_all(encoder& to, const T& x, std::index_sequence<I...>) {
    (encode_value(to, get<I>(x)), ...);
  }

  template <std::size_t... I>
  static void decode_all(decoder& from, T& x, std::index_sequence<I...>) {
    (decode_value(from, get<I>(x)), ...);
  }
};

template <class T>
struct codec_of<T, kind::complex> {
  using value = typename T::value_type;
  static constexpr std::size_t least_bytes = 2 * least_bytes_of<value>();

  static void encode(encoder& to, const T& x) {
    encode_value<value>(to, x.real());
    encode_value<value>(to, x.imag());
  }

  static void decode(decoder& from, T& x) {
    value real{};
    value imaginary{};
    decode_value(from, real);
    decode_value(from, imaginary);
    x = T(real, imaginary);
  }
};

template <class T>
struct codec_of<T, kind::duration> {
  using rep = typename T::rep;
  static constexpr std::size_t least_bytes = least_bytes_of<rep>();

  static void encode(encoder& to, const T& x) {
    encode_value<rep>(to, x.count());
  }

  static void decode(decoder& from, T& x) {
    rep count{};
    decode_value(from, count);
    x = T(std::move(count));
  }
};

template <class T>
struct codec_of<T, kind::time_point> {
  using duration = typename T::duration;
  static constexpr std::size_t least_bytes = least_bytes_of<duration>();

  static void encode(encoder& to, const T& x) {
    encode_value<duration>(to, x.time_since_epoch());
  }

  static void decode(decoder& from, T& x) {
    duration since_epoch{};
    decode_value(from, since_epoch);
    x = T(since_epoch);
  }
};

template <class T>
struct codec_of<T, kind::path> {
  using text = typename T::string_type;
  static constexpr std::size_t least_bytes = 1;

  static void encode(encoder& to, const T& x) {
    encode_value<text>(to, x.native());
  }

  static void decode(decoder& from, T& x) {
    text native;
    decode_value(from, native);
    x = T(std::move(native));
  }
};

template <class T>
struct codec_of<T, kind::unit> {
  static constexpr std::size_t least_bytes = 1;
  static void encode(encoder& to, const T&) { to.number(std::uint8_t{0}); }
  static void decode(decoder& from, T&) { from.number<std::uint8_t>(); }
};

template <class T>
struct codec_of<T, kind::inspected> {
  static constexpr std::size_t least_bytes = 1;
  static void encode(encoder& to, const T& x) { encode_inspected(to, x); }
  static void decode(decoder& from, T& x) { decode_inspected(from, x); }
};

template <class T>
struct codec_of<T, kind::aggregate> {
  static constexpr bool is_empty = std::is_empty_v<T>;
  static constexpr std::size_t least_bytes = least_bytes_of_all<fields_of<T>>;

  static void encode(encoder& to, const T& x) {
    if constexpr (is_empty) {
      to.number(std::uint8_t{0});
    } else {
      const encode_scope scope{to};
      boost::pfr::for_each_field(
        x, [&to](const auto& field) { encode_value(to, field); });
    }
  }

  static void decode(decoder& from, T& x) {
    if constexpr (is_empty) {
      from.number<std::uint8_t>();
    } else {
      const decode_scope scope{from};
      if (scope)
        boost::pfr::for_each_field(
          x, [&from](auto& field) { decode_value(from, field); });
    }
  }
};

} // namespace puma::detail
