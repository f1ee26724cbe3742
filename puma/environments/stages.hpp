// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/detail/pipeline_branches.hpp"
#include "puma/environments/detail/pipeline_items.hpp"

#include <cstddef>
#include <string>
#include <tuple>
#include <utility>

/// What may stand in a `pipeline`. Those that start a runnable take the name of
/// the stage first; they are the factories of `puma/actors/functions.hpp`
/// without the buffers, and mean the same. Each may be sent elsewhere:
///
///     transform("score", f).dedicated()        // a thread of its own
///     transform("score", f).in(processes)      // another environment
///
/// Items may also be put together without a pipeline, as a branch:
/// `filter("big", f) | for_each("store", g)`.
namespace puma {

// -- stages made of functions -------------------------------------------------

/// A source: the values that `function()` returns in a `std::optional`.
/// `generate<T>` says of which type they are.
template <class T = detail::deduced, class F>
[[nodiscard]] auto generate(std::string name, F function) {
  return detail::generate_item<T, F>{std::move(name), std::move(function)};
}

/// Passes on `function(value)`. `transform<T>` says of which type that is.
template <class Out = detail::deduced, class F>
[[nodiscard]] auto transform(std::string name, F function) {
  return detail::transform_item<Out, F>{std::move(name), std::move(function)};
}

/// As `transform`, computed by `n` runnables at a time, with the results in
/// order. They all run where the stage does; see `parallel_transform` in
/// `puma/actors/parallel_transform.hpp`.
template <class Out = detail::deduced, class F>
[[nodiscard]] auto parallel_transform(std::string name, std::size_t n,
                                      F function) {
  return detail::parallel_item<Out, F>{
    std::move(name), detail::parallel_work<F>{n, std::move(function)}};
}

/// Passes on the values for which `predicate(const value&)` holds.
template <class F>
[[nodiscard]] auto filter(std::string name, F predicate) {
  return detail::filter_item<F>{std::move(name), std::move(predicate)};
}

/// Passes on the elements of the range that `function(value)` returns; or, as
/// `flat_map<T>`, what `function(value, publisher<T>&)` publishes.
template <class Out = detail::deduced, class F>
[[nodiscard]] auto flat_map(std::string name, F function) {
  return detail::flat_map_item<Out, F>{std::move(name), std::move(function)};
}

/// A sink: calls `function(value)`.
template <class F>
[[nodiscard]] auto for_each(std::string name, F function) {
  return detail::for_each_item<F>{std::move(name), std::move(function)};
}

// -- stages of the library ----------------------------------------------------

/// See `batcher`.
[[nodiscard]] inline auto batch(std::string name, batch_options options) {
  return detail::batch_item{std::move(name), options};
}

/// See `throttler`.
[[nodiscard]] inline auto throttle(std::string name, throttle_options options) {
  return detail::throttle_item{std::move(name), options};
}

// -- stages of own classes ----------------------------------------------------

/// A runnable that is constructed from `([name,] input, output, args…)`. `Out`
/// is needed where the output has another type than the input. A class that
/// takes no name is known as `name` to the pipeline only. Other buffers among
/// `args` count as outputs.
template <class Runnable, class Out = detail::deduced, class... Args>
[[nodiscard]] auto stage(std::string name, Args&&... args) {
  using how = detail::construction<Runnable, detail::stored<Args>...>;
  return detail::class_step_item<Out, how>{
    std::move(name),
    how{std::tuple<detail::stored<Args>...>{std::forward<Args>(args)...}}};
}

/// A runnable that is constructed from `([name,] output, args…)`.
template <class Runnable, class Out, class... Args>
[[nodiscard]] auto source_stage(std::string name, Args&&... args) {
  using how = detail::construction<Runnable, detail::stored<Args>...>;
  return detail::class_source_item<Out, how>{
    std::move(name),
    how{std::tuple<detail::stored<Args>...>{std::forward<Args>(args)...}}};
}

/// A runnable that is constructed from `([name,] input, args…)`.
template <class Runnable, class... Args>
[[nodiscard]] auto sink_stage(std::string name, Args&&... args) {
  using how = detail::construction<Runnable, detail::stored<Args>...>;
  return detail::class_sink_item<how>{
    std::move(name),
    how{std::tuple<detail::stored<Args>...>{std::forward<Args>(args)...}}};
}

// -- buffers that the user made -----------------------------------------------

/// Begins with what others publish to `x`.
template <class T>
[[nodiscard]] auto from(const buffer<T>& x) {
  return detail::from_item<T>{x};
}

/// Ends in `x`, for others to receive from. Several lines may end there.
template <class T>
[[nodiscard]] auto to(const buffer<T>& x) {
  return detail::to_item<T>{x};
}

/// Takes `x` as the buffer at this place of the line.
template <class T>
[[nodiscard]] auto via(const buffer<T>& x) {
  return detail::via_item<T>{x, false};
}

/// As `via`, and declares that stages further on publish to `x`, too: a loop.
///
/// A loop does not end by itself, because its end would have to come out of
/// itself: end it with `pipeline_runner::stop`, or from a stage. More values
/// than its buffers hold, with none leaving it, bring it to a stand.
template <class T>
[[nodiscard]] auto feedback(const buffer<T>& x) {
  return detail::via_item<T>{x, true};
}

// -- several lines ------------------------------------------------------------

/// Begins with the values of several branches, each of which begins with a
/// source, in the order in which they come. They meet in one buffer: nothing
/// runs for it.
template <detail::pipeline_item... Branches>
[[nodiscard]] auto merge(Branches... branches) {
  static_assert(sizeof...(Branches) != 0, "merge: needs branches");
  return detail::merge_item<Branches...>{
    std::tuple<Branches...>{std::move(branches)...}};
}

/// Copies each value to every branch; the slowest one sets the pace. Either all
/// branches consume their values, and the line ends; or all have values of one
/// type at their end, and the line goes on with those of all of them, in the
/// order in which they come. A branch may consist of `to(buffer)` alone.
///
///     … | multicast("copy", filter("big", f) | for_each("alarm", g),
///                           for_each("store", h))
template <detail::pipeline_item... Branches>
[[nodiscard]] auto multicast(std::string name, Branches... branches) {
  static_assert(sizeof...(Branches) != 0, "multicast: needs branches");
  return detail::fan_item<detail::multicast_fan, Branches...>{
    std::move(name), {}, std::tuple<Branches...>{std::move(branches)...}};
}

/// Several whole lines, from a source to a sink, that are checked, started and
/// owned together. They meet in buffers: `… | to(x)` and `from(x) | …`.
template <detail::pipeline_item... Lines>
[[nodiscard]] auto lines(Lines... all) {
  static_assert(sizeof...(Lines) != 0, "lines: needs lines");
  return detail::lines_item<Lines...>{std::tuple<Lines...>{std::move(all)...}};
}

// -- what is said about the line ----------------------------------------------

/// Says something about the buffer at this place of the line.
[[nodiscard]] inline auto edge(edge_options options) {
  return detail::edge_item{std::move(options)};
}

/// Lets the stages that follow run in another environment of the same runtime.
/// Within a branch, it ends with the branch.
[[nodiscard]] inline auto in(const environment& where) {
  return detail::in_item{where};
}

} // namespace puma
