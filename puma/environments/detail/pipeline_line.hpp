// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/detail/pipeline_plan.hpp"

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace puma::detail {

// -- what comes out of a line that has no values ------------------------------

struct no_source {};     ///< Nothing has been appended.
struct complete_line {}; ///< Its values have been consumed.
struct wrong_line {};    ///< The compiler has said what is wrong with it.

template <class T>
inline constexpr bool carries_values
  = !std::is_same_v<
      T,
      no_source> && !std::is_same_v<T, complete_line> && !std::is_same_v<T, wrong_line>;

/// A part of a pipeline that grows at its end.
template <class T>
struct line {
  using value_type = T;

  std::shared_ptr<pipeline_plan> plan;
  environment_ptr where; ///< For what is appended.
  std::size_t end = 0;   ///< The edge, if it carries values.
};

template <class T, class U>
line<T> line_like(const line<U>& x, std::size_t end = 0) {
  return {x.plan, x.where, end};
}

/// What may be appended to a pipeline: `append_to(line<In>)` returns the line
/// that has grown.
template <class T>
concept pipeline_item = requires {
  typename T::is_pipeline_item;
};

/// Says at most one thing, the first time.
template <class T>
constexpr void check_is_whole() {
  static_assert(!std::is_same_v<T, no_source>,
                "pipeline: there is nothing in it to run");
  static_assert(!carries_values<T>,
                "pipeline: nobody consumes the values of the last stage; end "
                "it with for_each, sink_stage or to(buffer)");
}

/// Where an item may stand.
enum class position { begin, middle };

template <class In, position Where>
constexpr bool may_stand() {
  constexpr bool nothing = std::is_same_v<In, no_source>;
  static_assert(!std::is_same_v<In, complete_line>,
                "pipeline: nothing can follow a stage that consumes the "
                "values, such as for_each");
  if constexpr (Where == position::begin) {
    static_assert(!carries_values<In>,
                  "pipeline: a source can only stand at the begin; a value "
                  "would not get past it");
    return nothing;
  } else {
    static_assert(!nothing,
                  "pipeline: has no source; begin with generate, "
                  "source_stage, merge or from(buffer)");
    return carries_values<In>;
  }
}

// -- items one after the other, without an environment ------------------------

template <class... Items>
class item_chain {
 public:
  using is_pipeline_item = void;

  explicit item_chain(std::tuple<Items...> items) : items_(std::move(items)) {}

  template <class In>
  auto append_to(line<In> to) && {
    return append_from<0>(std::move(to));
  }

  std::tuple<Items...> release() && { return std::move(items_); }

 private:
  template <std::size_t I, class In>
  auto append_from(line<In> to) {
    if constexpr (I == sizeof...(Items))
      return to;
    else
      return append_from<I + 1>(
        std::move(std::get<I>(items_)).append_to(std::move(to)));
  }

  std::tuple<Items...> items_;
};

template <class Item>
std::tuple<Item> items_of(Item&& x) {
  return {std::move(x)};
}

template <class... Items>
std::tuple<Items...> items_of(item_chain<Items...>&& x) {
  return std::move(x).release();
}

template <class... Items>
item_chain<Items...> chain_of(std::tuple<Items...> items) {
  return item_chain<Items...>{std::move(items)};
}

/// Puts items one after the other: a branch of a pipeline.
template <pipeline_item A, pipeline_item B>
[[nodiscard]] auto operator|(A a, B b) {
  return chain_of(
    std::tuple_cat(items_of(std::move(a)), items_of(std::move(b))));
}

} // namespace puma::detail
