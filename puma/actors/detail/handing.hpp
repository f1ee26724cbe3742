// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/crossing.hpp"
#include "puma/actors/detail/making.hpp"
#include "puma/actors/runnable.hpp"
#include "puma/base/codec.hpp"
#include "puma/base/error.hpp"

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma::detail {

/// A member of a runnable that says where it lives. What the child gets of it
/// is a `parcel`, which can be copied, and knows how it crosses.
template <class A>
concept scoped_attribute = requires(A& x, const A& y, typename A::parcel& p,
                                    const typename A::parcel& q, encoder& to,
                                    decoder& from,
                                    std::vector<buffer_core_ptr>& buffers) {
  { y.name() } -> std::convertible_to<std::string>;
  // In the parent: throws when it may not go there.
  { x.pack(bool{}) } -> std::same_as<typename A::parcel>;
  // In the child.
  x.unpack(std::move(p));
  q.encode(to);
  p.decode(from);
  q.collect(buffers);
};

template <class T>
inline constexpr bool are_attributes = false;

template <class... As>
inline constexpr bool
  are_attributes<std::tuple<As&...>> = (scoped_attribute<As> && ...);

template <class T>
struct parcels;

template <class... As>
struct parcels<std::tuple<As&...>> {
  using type = std::tuple<typename As::parcel...>;
};

/// Makes a child of an object that stays in its parent's scope.
template <class T>
class handing_recipe final : public recipe {
  static_assert(std::is_default_constructible_v<T>,
                "run: a child is made by the default constructor, and the "
                "class has none");
  static_assert(
    requires(T & x) { x.attributes(); },
    "run: the class has no public member function attributes(), "
    "which names what the child gets");

  using attributes = decltype(std::declval<T&>().attributes());

  static_assert(are_attributes<attributes>,
                "run: attributes() is to return puma::attribute_list of scoped "
                "attributes, and of nothing else");

  using all_parcels = typename parcels<attributes>::type;

 public:
  /// `stays_here`: the child will be in this process.
  static recipe_ptr make_from(T* parent, bool stays_here) {
    if (!parent)
      throw usage_error{"run: the pointer to the parent's object is null"};
    // Braces keep the order.
    auto packed = std::apply(
      [&](auto&... xs) { return all_parcels{xs.pack(stays_here)...}; },
      parent->attributes());
    return std::make_unique<handing_recipe>(parent->name(), std::move(packed),
                                            stays_here);
  }

  handing_recipe(std::string name, all_parcels packed, bool stays_here)
    : name_(std::move(name)),
      parcels_(std::move(packed)),
      stays_here_(stays_here) {
    std::apply([this](const auto&... xs) { (xs.collect(buffers), ...); },
               parcels_);
  }

  std::unique_ptr<runnable> make() override {
    return make_with(std::move(parcels_));
  }

  std::unique_ptr<runnable> make_again() const override {
    return make_with(parcels_);
  }

  std::string repeat_obstacle() const override { return {}; }

  std::string name() const override { return name_; }

  std::string obstacle() const override {
    if (!stays_here_)
      return {}; // `pack` has thrown
    return "it was asked of an environment of this process, so that its "
           "attributes are those for threads, and the placement wants it "
           "elsewhere: ask it of the other environment";
  }

  std::optional<crossing_key> encode(encoder& to) const override {
    if (!registrar<handing_recipe>::known())
      return std::nullopt;
    puma::encode(to, name_);
    std::apply([&to](const auto&... xs) { (xs.encode(to), ...); }, parcels_);
    return key_of<handing_recipe>();
  }

  static recipe_ptr decode(decoder& from) {
    std::string name;
    puma::decode(from, name);
    all_parcels packed;
    std::apply([&from](auto&... xs) { (xs.decode(from), ...); }, packed);
    if (!from.ok())
      return nullptr;
    return std::make_unique<handing_recipe>(std::move(name), std::move(packed),
                                            true); // made where it is
  }

 private:
  static std::unique_ptr<runnable> make_with(all_parcels packed) {
    auto made = make_hosted<T>();
    [[maybe_unused]] auto to = made->attributes();
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (std::get<I>(to).unpack(std::move(std::get<I>(packed))), ...);
    }
    (std::make_index_sequence<std::tuple_size_v<all_parcels>>{});
    return made;
  }

  std::string name_;
  all_parcels parcels_;
  bool stays_here_;
};

} // namespace puma::detail
