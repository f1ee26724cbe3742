// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/multicaster.hpp"
#include "puma/environments/detail/pipeline_items.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// What the functions of `puma/environments/stages.hpp` return that take
/// branches.
namespace puma::detail {

template <class T, class... Ts>
inline constexpr bool are_same = (std::is_same_v<T, Ts> && ...);

/// Appends each branch to a line like `from`, one after the other, and calls
/// `with(line)` for each result.
template <class In, class... Branches, class F>
void append_each(const line<In>& from, std::tuple<Branches...>&& branches,
                 F&& with) {
  std::apply(
    [&](Branches&... xs) {
      (with(std::move(xs).append_to(line<In>(from))), ...);
    },
    branches);
}

/// What a branch makes of a line.
template <class Branch, class In>
using appended_t = typename decltype(std::declval<Branch&&>().append_to(
  std::declval<line<In>>()))::value_type;

/// Lets the ends of lines be one buffer.
template <class T>
class meeting {
 public:
  void operator()(const line<T>& x) {
    end_ = end_ ? x.plan->unite(*end_, x.end) : x.end;
  }

  [[nodiscard]] std::size_t end() const { return *end_; }

 private:
  std::optional<std::size_t> end_;
};

template <class First, class... Branches>
class merge_item {
 public:
  using is_pipeline_item = void;

  explicit merge_item(std::tuple<First, Branches...> branches)
    : branches_(std::move(branches)) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_stand<In, position::begin>()) {
      return line_like<wrong_line>(to);
    } else {
      using out_type = appended_t<First, In>;
      if constexpr (!meet<out_type, appended_t<Branches, In>...>()) {
        return line_like<wrong_line>(to);
      } else {
        meeting<out_type> met;
        append_each(to, std::move(branches_), met);
        return line_like<out_type>(to, met.end());
      }
    }
  }

 private:
  template <class... Ts>
  static constexpr bool meet() {
    constexpr bool right = !(std::is_same_v<Ts, wrong_line> || ...);
    constexpr bool open = (carries_values<Ts> && ...) || !right;
    static_assert(open,
                  "pipeline: each branch of merge must begin with a "
                  "source, and leave its values to what follows");
    if constexpr (open && right) {
      constexpr bool same = are_same<Ts...>;
      static_assert(same,
                    "pipeline: all branches of merge must have values of "
                    "the same type");
      return same;
    }
    return false;
  }

  std::tuple<First, Branches...> branches_;
};

template <class... Branches>
class lines_item {
 public:
  using is_pipeline_item = void;

  explicit lines_item(std::tuple<Branches...> branches)
    : branches_(std::move(branches)) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_stand<In, position::begin>()) {
      return line_like<wrong_line>(to);
    } else {
      (check_is_whole<appended_t<Branches, In>>(), ...);
      append_each(to, std::move(branches_), [](const auto&) {});
      return line_like<complete_line>(to);
    }
  }

 private:
  std::tuple<Branches...> branches_;
};

// -- from one line to several -------------------------------------------------

/// A stage whose outputs are the begins of branches. `Fan` has `fits<In>()`,
/// which says what is wrong, and `make(place, name, in, outputs)`.
template <class Fan, class... Branches>
class fan_item final : public stage_item<fan_item<Fan, Branches...>, Fan> {
 public:
  fan_item(std::string name, Fan fan, std::tuple<Branches...> branches)
    : stage_item<fan_item, Fan>(std::move(name), std::move(fan)),
      branches_(std::move(branches)) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_follow<Fan, In>()) {
      return line_like<wrong_line>(to);
    } else {
      return grow<appended_t<Branches, In>...>(std::move(to));
    }
  }

 private:
  template <class First, class... Others, class In>
  auto grow(line<In> to) {
    constexpr bool right
      = !std::is_same_v<
          First, wrong_line> && !(std::is_same_v<Others, wrong_line> || ...);
    constexpr bool alike = are_same<First, Others...> || !right;
    static_assert(alike,
                  "pipeline: either all branches consume their values, "
                  "or all have values of the same type at their end");
    if constexpr (!right || !alike) {
      return line_like<wrong_line>(to);
    } else if constexpr (std::is_same_v<First, complete_line>) {
      fan_out(to, [](const auto&) {});
      return line_like<complete_line>(to);
    } else {
      meeting<First> met;
      fan_out(to, met);
      return line_like<First>(to, met.end());
    }
  }

  template <class In, class F>
  void fan_out(const line<In>& from, F&& with) {
    auto& plan = *from.plan;
    const auto in = from.end;
    std::vector<std::size_t> outs;
    for (std::size_t i = 0; i != sizeof...(Branches); ++i)
      outs.push_back(plan.template add_edge<In>());
    plan.add_stage(this->settings_in(from.where), {in}, outs,
                   [fan = std::move(this->with()), name = this->name(), in,
                    outs](const pipeline_plan& all, stage_place place) mutable {
                     std::vector<buffer<In>> outputs;
                     for (const auto x : outs)
                       outputs.push_back(all.template handle<In>(x));
                     return std::move(fan).make(
                       place, name, all.template handle<In>(in), outputs);
                   });
    std::apply(
      [&](Branches&... xs) {
        auto out = outs.begin();
        (with(std::move(xs).append_to(line_like<In>(from, *out++))), ...);
      },
      branches_);
  }

  std::tuple<Branches...> branches_;
};

struct multicast_fan {
  template <class T>
  static constexpr bool fits() {
    constexpr bool ok = can_copy<T>;
    static_assert(ok,
                  "pipeline: multicast copies the values of the stage "
                  "before, which cannot be copied; send them as "
                  "std::shared_ptr<const T>");
    return ok;
  }

  template <class T>
  stage_host make(stage_place place, const std::string& name,
                  const buffer<T>& in,
                  const std::vector<buffer<T>>& outputs) && {
    return place.make_of<multicaster<T>>(name, in, outputs);
  }
};

} // namespace puma::detail
