// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/crossing.hpp"
#include "puma/base/codec.hpp"

#include <memory>
#include <optional>
#include <string>
#include <typeinfo>
#include <utility>

namespace puma::detail {

/// A status that a runnable has published.
class status_value {
 public:
  virtual ~status_value() = default;

  [[nodiscard]] virtual const std::type_info& type() const noexcept = 0;

  /// Returns why it cannot go to another process; empty if it can.
  [[nodiscard]] virtual std::string obstacle() const = 0;

  /// Appends the value; nothing if it cannot cross.
  [[nodiscard]] virtual std::optional<crossing_key>
  encode(encoder& to) const = 0;
};

using status_ptr = std::unique_ptr<status_value>;
using status_decoder = status_ptr (*)(decoder& from);

template <class S>
class typed_status final : public status_value {
 public:
  explicit typed_status(S x) : value(std::move(x)) {}

  S value;

  [[nodiscard]] const std::type_info& type() const noexcept override {
    return typeid(S);
  }

  [[nodiscard]] std::string obstacle() const override {
    return crossing_obstacle<S>();
  }

  [[nodiscard]] std::optional<crossing_key> encode(encoder& to) const override {
    if constexpr (can_cross<S>) {
      if (!registrar<typed_status>::known())
        return std::nullopt;
      puma::encode(to, value);
      return key_of<typed_status>();
    } else {
      static_cast<void>(to);
      return std::nullopt;
    }
  }

  static status_ptr decode(decoder& from) {
    if constexpr (can_cross<S>) {
      auto result = std::make_unique<typed_status>(S{});
      puma::decode(from, result->value);
      return from.ok() ? std::move(result) : nullptr;
    } else {
      static_cast<void>(from);
      return nullptr;
    }
  }
};

/// Makes `x` known to the owner of the runnable that `where` hosts.
void publish_status(internal::task& where, status_ptr x);

} // namespace puma::detail
