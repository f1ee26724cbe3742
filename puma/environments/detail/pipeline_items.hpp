// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/batcher.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/parallel_transform.hpp"
#include "puma/actors/throttler.hpp"
#include "puma/environments/detail/pipeline_line.hpp"

#include <concepts>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// What the functions of `puma/environments/stages.hpp` return.
namespace puma::detail {

/// A type that is not given, but follows from others.
struct deduced {};

template <class Given, class Otherwise>
using given_or = std::conditional_t<std::is_same_v<Given, deduced>, Otherwise,
                                    Given>;

// -- what stages have in common -----------------------------------------------

/// A stage that `Derived` makes with what the user gave: a function, options,
/// or arguments.
template <class Derived, class With>
class stage_item {
 public:
  using is_pipeline_item = void;

  stage_item(std::string name, With x) : with_(std::move(x)) {
    settings_.name = std::move(name);
  }

  /// Gives the stage a thread of its own, as `puma::dedicated` does.
  [[nodiscard]] Derived dedicated() && {
    settings_.own_thread = true;
    return static_cast<Derived&&>(*this);
  }

  /// Lets this one stage run in another environment.
  [[nodiscard]] Derived in(const environment& where) && {
    settings_.where = environment_access::share(where);
    return static_cast<Derived&&>(*this);
  }

 protected:
  [[nodiscard]] stage_settings settings_in(const environment_ptr& where) const {
    auto result = settings_;
    if (!result.where)
      result.where = where;
    return result;
  }

  [[nodiscard]] const std::string& name() const noexcept {
    return settings_.name;
  }

  [[nodiscard]] With& with() noexcept { return with_; }

  /// Adds it between edges, of `Ts` in this order. It is made by
  /// `make(place, buffers...)`, and may get other buffers by what it is made
  /// with.
  template <class... Ts, class In>
  void add_between(const line<In>& to, std::vector<std::size_t> in,
                   std::vector<std::size_t> out) {
    std::vector<buffer_core_ptr> also_to;
    if constexpr (requires { with_.buffers(); })
      also_to = with_.buffers();
    auto edges = in;
    edges.insert(edges.end(), out.begin(), out.end());
    auto settings = settings_in(to.where);
    to.plan->add_stage(
      std::move(settings), std::move(in), std::move(out),
      [self = static_cast<Derived&&>(*this), edges = std::move(edges)](
        const pipeline_plan& plan, stage_place place) mutable {
        return [&]<std::size_t... I>(std::index_sequence<I...>) {
          return std::move(self).make(place,
                                      plan.template handle<Ts>(edges[I])...);
        }
        (std::index_sequence_for<Ts...>{});
      },
      std::move(also_to));
  }

 private:
  stage_settings settings_;
  With with_;
};

/// A stage that only publishes. `Derived` has `fits()`, which says what is
/// wrong, `result`, and `make(place, out)`.
template <class Derived, class With>
class source_item : public stage_item<Derived, With> {
 public:
  using stage_item<Derived, With>::stage_item;

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_stand<In, position::begin>() || !Derived::fits()) {
      return line_like<wrong_line>(to);
    } else {
      using out_type = typename Derived::result;
      const auto out = to.plan->template add_edge<out_type>();
      this->template add_between<out_type>(to, {}, {out});
      return line_like<out_type>(to, out);
    }
  }
};

/// Whether a stage with an input may follow values of `In`.
template <class Item, class In>
constexpr bool may_follow() {
  if constexpr (may_stand<In, position::middle>())
    return Item::template fits<In>();
  else
    return false;
}

/// A stage with an input and an output. `Derived` has `fits<In>()`, which says
/// what is wrong, `result<In>`, and `make(place, in, out)`.
template <class Derived, class With>
class step_item : public stage_item<Derived, With> {
 public:
  using stage_item<Derived, With>::stage_item;

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_follow<Derived, In>()) {
      return line_like<wrong_line>(to);
    } else {
      using out_type = typename Derived::template result<In>;
      const auto out = to.plan->template add_edge<out_type>();
      this->template add_between<In, out_type>(to, {to.end}, {out});
      return line_like<out_type>(to, out);
    }
  }
};

/// A stage that only has an input. `Derived` has `fits<In>()`, which says what
/// is wrong, and `make(place, in)`.
template <class Derived, class With>
class sink_item : public stage_item<Derived, With> {
 public:
  using stage_item<Derived, With>::stage_item;

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_follow<Derived, In>()) {
      return line_like<wrong_line>(to);
    } else {
      this->template add_between<In>(to, {to.end}, {});
      return line_like<complete_line>(to);
    }
  }
};

// -- stages made of functions -------------------------------------------------

template <class T>
inline constexpr bool is_optional = false;

template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

template <class T, class F>
class generate_item final : public source_item<generate_item<T, F>, F> {
 public:
  using source_item<generate_item, F>::source_item;

  static constexpr auto result_type() {
    if constexpr (!std::is_same_v<T, deduced>) {
      return std::type_identity<T>{};
    } else {
      using returned = std::remove_cvref_t<std::invoke_result_t<F&>>;
      if constexpr (is_optional<returned>)
        return std::type_identity<typename returned::value_type>{};
      else
        return std::type_identity<deduced>{};
    }
  }

  using result = typename decltype(result_type())::type;

  static constexpr bool fits() {
    constexpr bool ok
      = !std::is_same_v<
          result,
          deduced> && std::is_convertible_v<std::invoke_result_t<F&>, std::optional<result>>;
    static_assert(ok,
                  "pipeline: the function of generate must return a "
                  "std::optional of the values, empty at the end");
    return ok;
  }

  stage_host make(stage_place place, const buffer<result>& out) && {
    return place.make(generate(this->name(), out, std::move(this->with())));
  }
};

/// Whether `F` makes something of values of `In`, and of the right type.
template <class F, class In, class Out>
constexpr bool transforms() {
  constexpr bool takes = std::invocable<F&, In&&>;
  static_assert(takes,
                "pipeline: the function of transform does not take the "
                "values of the stage before");
  if constexpr (takes) {
    using returned = std::invoke_result_t<F&, In&&>;
    constexpr bool some = !std::is_void_v<returned>;
    static_assert(some,
                  "pipeline: the function of transform returns nothing; "
                  "use for_each to consume values");
    if constexpr (some && !std::is_same_v<Out, deduced>) {
      constexpr bool right = std::is_constructible_v<Out, returned>;
      static_assert(right,
                    "pipeline: what the function of transform returns "
                    "is not of the given type");
      return right;
    }
    return some;
  }
  return false;
}

/// What a stage that transforms by `F` has in common with others like that.
template <class Out, class F>
struct mapping {
  template <class In>
  static constexpr bool fits() {
    return transforms<F, In, Out>();
  }

  template <class In>
  using result = given_or<Out,
                          std::remove_cvref_t<std::invoke_result_t<F&, In&&>>>;
};

template <class Out, class F>
class transform_item final : public step_item<transform_item<Out, F>, F>,
                             public mapping<Out, F> {
 public:
  using step_item<transform_item, F>::step_item;

  template <class In, class To>
  stage_host make(stage_place place, const buffer<In>& in,
                  const buffer<To>& out) && {
    return place.make(
      transform(this->name(), in, out, std::move(this->with())));
  }
};

template <class F>
struct parallel_work {
  static_assert(std::is_copy_constructible_v<F>,
                "pipeline: each runnable of parallel_transform has a copy "
                "of the function, so it must be copyable");

  std::size_t n;
  F function;
};

template <class Out, class F>
class parallel_item final
  : public step_item<parallel_item<Out, F>, parallel_work<F>>,
    public mapping<Out, F> {
 public:
  using step_item<parallel_item, parallel_work<F>>::step_item;

  template <class In, class To>
  stage_host make(stage_place place, const buffer<In>& in,
                  const buffer<To>& out) && {
    auto& work = this->with();
    return place.make(parallel_transform(this->name(), in, out, work.n,
                                         std::move(work.function)));
  }
};

template <class F>
class filter_item final : public step_item<filter_item<F>, F> {
 public:
  using step_item<filter_item, F>::step_item;

  template <class In>
  static constexpr bool fits() {
    constexpr bool ok = std::predicate<F&, const In&>;
    static_assert(ok,
                  "pipeline: the function of filter must take the values "
                  "of the stage before, and return a bool");
    return ok;
  }

  template <class In>
  using result = In;

  template <class T>
  stage_host make(stage_place place, const buffer<T>& in,
                  const buffer<T>& out) && {
    return place.make(filter(this->name(), in, out, std::move(this->with())));
  }
};

/// The elements of a range that a function returns.
template <class Range>
using element_of = std::remove_cvref_t<decltype(*std::begin(
  std::declval<Range&>()))>;

template <class Out, class F>
class flat_map_item final : public step_item<flat_map_item<Out, F>, F> {
 public:
  using step_item<flat_map_item, F>::step_item;

  template <class In>
  static constexpr bool fits() {
    if constexpr (std::is_same_v<Out, deduced>) {
      constexpr bool ok = requires(F & f, In && x) {
        typename element_of<decltype(f(std::move(x)))>;
      };
      static_assert(ok,
                    "pipeline: the function of flat_map must take the "
                    "values of the stage before, and return a range; or "
                    "give the type, flat_map<T>, to publish by itself");
      return ok;
    } else {
      constexpr bool ok = std::invocable<
                            F&,
                            In&&> || std::invocable<F&, In&&, publisher<Out>&>;
      static_assert(ok,
                    "pipeline: the function of flat_map must take the "
                    "values of the stage before, alone or with a "
                    "publisher");
      return ok;
    }
  }

  template <class In>
  static auto result_type() {
    if constexpr (std::is_same_v<Out, deduced>)
      return std::type_identity<element_of<std::invoke_result_t<F&, In&&>>>{};
    else
      return std::type_identity<Out>{};
  }

  template <class In>
  using result = typename decltype(result_type<In>())::type;

  template <class In, class To>
  stage_host make(stage_place place, const buffer<In>& in,
                  const buffer<To>& out) && {
    return place.make(flat_map(this->name(), in, out, std::move(this->with())));
  }
};

template <class F>
class for_each_item final : public sink_item<for_each_item<F>, F> {
 public:
  using sink_item<for_each_item, F>::sink_item;

  template <class In>
  static constexpr bool fits() {
    constexpr bool ok = std::invocable<F&, In&&>;
    static_assert(ok,
                  "pipeline: the function of for_each does not take the "
                  "values of the stage before");
    return ok;
  }

  template <class In>
  stage_host make(stage_place place, const buffer<In>& in) && {
    return place.make(for_each(this->name(), in, std::move(this->with())));
  }
};

// -- stages of the library ----------------------------------------------------

class batch_item final : public step_item<batch_item, batch_options> {
 public:
  using step_item<batch_item, batch_options>::step_item;

  template <class In>
  static constexpr bool fits() {
    return true;
  }

  template <class In>
  using result = std::vector<In>;

  template <class In>
  stage_host make(stage_place place, const buffer<In>& in,
                  const buffer<std::vector<In>>& out) && {
    return place.make(batch(name(), in, out, with()));
  }
};

class throttle_item final : public step_item<throttle_item, throttle_options> {
 public:
  using step_item<throttle_item, throttle_options>::step_item;

  template <class In>
  static constexpr bool fits() {
    return true;
  }

  template <class In>
  using result = In;

  template <class T>
  stage_host make(stage_place place, const buffer<T>& in,
                  const buffer<T>& out) && {
    return place.make(throttle(name(), in, out, with()));
  }
};

// -- stages of own classes ----------------------------------------------------

/// Constructs a `Runnable` from the buffers that it is beside of, with the name
/// in front where it takes one.
template <class Runnable, class... Args>
class construction {
 public:
  explicit construction(std::tuple<Args...> args) : args_(std::move(args)) {}

  template <class... Buffers>
  static constexpr bool takes_name = std::is_constructible_v<
    Runnable, std::string, Buffers..., Args...>;

  template <class... Buffers>
  static constexpr bool fits
    = takes_name<
        Buffers...> || std::is_constructible_v<Runnable, Buffers..., Args...>;

  template <class... Buffers>
  stage_host make(stage_place place, const std::string& name,
                  const Buffers&... buffers) && {
    return std::apply(
      [&](Args&... args) {
        if constexpr (takes_name<Buffers...>)
          return place.make_of<Runnable>(name, buffers..., std::move(args)...);
        else
          return place.make_of<Runnable>(buffers..., std::move(args)...);
      },
      args_);
  }

  [[nodiscard]] std::vector<buffer_core_ptr> buffers() const {
    std::vector<buffer_core_ptr> result;
    std::apply(
      [&](const Args&... args) { (collect_buffers(result, args), ...); },
      args_);
    return result;
  }

 private:
  std::tuple<Args...> args_;
};

template <class Out, class How>
class class_source_item final
  : public source_item<class_source_item<Out, How>, How> {
 public:
  using source_item<class_source_item, How>::source_item;
  using result = Out;

  static constexpr bool fits() {
    constexpr bool ok = How::template fits<buffer<Out>>;
    static_assert(ok,
                  "pipeline: the runnable of source_stage has no "
                  "constructor that takes (name, output, arguments) or "
                  "(output, arguments)");
    return ok;
  }

  stage_host make(stage_place place, const buffer<Out>& out) && {
    return std::move(this->with()).make(place, this->name(), out);
  }
};

template <class Out, class How>
class class_step_item final : public step_item<class_step_item<Out, How>, How> {
 public:
  using step_item<class_step_item, How>::step_item;

  template <class In>
  using result = given_or<Out, In>;

  template <class In>
  static constexpr bool fits() {
    constexpr bool ok = How::template fits<buffer<In>, buffer<result<In>>>;
    static_assert(ok,
                  "pipeline: the runnable of stage has no constructor that "
                  "takes (name, input, output, arguments) or (input, "
                  "output, arguments); where the output has another type "
                  "than the input, give it: stage<my_class, its_output>");
    return ok;
  }

  template <class In, class To>
  stage_host make(stage_place place, const buffer<In>& in,
                  const buffer<To>& out) && {
    return std::move(this->with()).make(place, this->name(), in, out);
  }
};

template <class How>
class class_sink_item final : public sink_item<class_sink_item<How>, How> {
 public:
  using sink_item<class_sink_item, How>::sink_item;

  template <class In>
  static constexpr bool fits() {
    constexpr bool ok = How::template fits<buffer<In>>;
    static_assert(ok,
                  "pipeline: the runnable of sink_stage has no "
                  "constructor that takes (name, input, arguments) or "
                  "(input, arguments)");
    return ok;
  }

  template <class In>
  stage_host make(stage_place place, const buffer<In>& in) && {
    return std::move(this->with()).make(place, this->name(), in);
  }
};

// -- buffers that the user made -----------------------------------------------

template <class T>
class from_item {
 public:
  using is_pipeline_item = void;

  explicit from_item(buffer<T> x) : buffer_(std::move(x)) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_stand<In, position::begin>())
      return line_like<wrong_line>(to);
    else
      return line_like<T>(to, to.plan->given_edge(buffer_, "from"));
  }

 private:
  buffer<T> buffer_;
};

/// Whether a buffer of `T` may be what the values of `In` go to.
template <class In, class T>
constexpr bool has_values_for() {
  if constexpr (may_stand<In, position::middle>()) {
    constexpr bool same = std::is_same_v<In, T>;
    static_assert(same,
                  "pipeline: the buffer is not one for values of the "
                  "stage before");
    return same;
  }
  return false;
}

template <class T>
class to_item {
 public:
  using is_pipeline_item = void;

  explicit to_item(buffer<T> x) : buffer_(std::move(x)) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!has_values_for<In, T>()) {
      return line_like<wrong_line>(to);
    } else {
      to.plan->unite(to.end, to.plan->given_edge(buffer_, "to"));
      return line_like<complete_line>(to);
    }
  }

 private:
  buffer<T> buffer_;
};

template <class T>
class via_item {
 public:
  using is_pipeline_item = void;

  via_item(buffer<T> x, bool closes_loop)
    : buffer_(std::move(x)),
      closes_loop_(closes_loop) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!has_values_for<In, T>()) {
      return line_like<wrong_line>(to);
    } else {
      const auto edge = to.plan->unite(
        to.end,
        to.plan->given_edge(buffer_, closes_loop_ ? "feedback" : "via"));
      if (closes_loop_)
        to.plan->close_loop(edge);
      return line_like<T>(to, edge);
    }
  }

 private:
  buffer<T> buffer_;
  bool closes_loop_;
};

// -- what is said about the line ----------------------------------------------

class edge_item {
 public:
  using is_pipeline_item = void;

  explicit edge_item(edge_options options) : options_(std::move(options)) {}

  template <class In>
  auto append_to(line<In> to) && {
    if constexpr (!may_stand<In, position::middle>()) {
      return line_like<wrong_line>(to);
    } else {
      to.plan->say(to.end, std::move(options_));
      return to;
    }
  }

 private:
  edge_options options_;
};

class in_item {
 public:
  using is_pipeline_item = void;

  explicit in_item(const environment& where)
    : where_(environment_access::share(where)) {}

  template <class In>
  auto append_to(line<In> to) && {
    to.where = std::move(where_);
    return to;
  }

 private:
  environment_ptr where_;
};

} // namespace puma::detail
