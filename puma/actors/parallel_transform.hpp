// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/constructing.hpp"
#include "puma/actors/detail/numbering.hpp"
#include "puma/actors/runner_group.hpp"
#include "puma/base/error.hpp"
#include "puma/buffers/buffer.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace puma {

/// A recipe for `environment::run`, returned by `parallel_transform`.
template <class In, class Out, class F>
class parallel_recipe {
 public:
  parallel_recipe(std::string name, buffer<In> in, buffer<Out> out,
                  std::size_t n, F function)
    : name_(std::move(name)),
      in_(std::move(in)),
      out_(std::move(out)),
      n_(n),
      function_(std::move(function)) {
    if (name_.empty())
      throw usage_error{"parallel_transform: the name must not be empty"};
    if (n_ == 0)
      throw usage_error{"parallel_transform '" + name_
                        + "': needs at least one runnable"};
  }

  /// Used by the environment: `adopt` makes a buffer known to the runtime,
  /// `here` and `there` prepare a runnable, in this process and where the
  /// function is to run.
  template <class Adopt, class Here, class There>
  [[nodiscard]] runner_group assemble(Adopt adopt, Here here, There there) && {
    std::vector<detail::buffer_core_ptr> all;
    const auto inner = [&]<class T>(const std::string& side, std::size_t i,
                                    const buffer<T>& like) {
      // Together they have room for as many values as the buffer outside.
      buffer<detail::numbered<T>> result{name_ + '.' + side + '.'
                                           + std::to_string(i + 1),
                                         (like.capacity() + n_ - 1) / n_};
      adopt(result.shared_core());
      all.push_back(result.shared_core());
      return result;
    };
    std::vector<buffer<detail::numbered<In>>> before;
    std::vector<buffer<detail::numbered<Out>>> after;
    for (std::size_t i = 0; i != n_; ++i) {
      before.push_back(inner("in", i, in_));
      after.push_back(inner("out", i, out_));
    }
    std::vector<runner> members;
    members.push_back(
      here(recipe_for<detail::numbering<In>>(name_ + ".in", in_, before)));
    for (std::size_t i = 0; i != n_; ++i)
      members.push_back(
        there(recipe_for<detail::numbered_transforming<In, Out, F>>(
          name_ + '.' + std::to_string(i + 1), before[i], after[i],
          detail::callable<F>{function_})));
    detail::stop_switch others{members};
    members.push_back(here(recipe_for<detail::ordering<Out>>(
      name_ + ".out", after, out_, std::move(others))));
    return {"parallel_transform '" + name_ + "'", std::move(members),
            std::move(all)};
  }

 private:
  template <class Runnable, class... Args>
  static detail::recipe_ptr recipe_for(Args... args) {
    return std::make_unique<detail::constructing_recipe<Runnable, Args...>>(
      std::in_place, std::move(args)...);
  }

  std::string name_;
  buffer<In> in_;
  buffer<Out> out_;
  std::size_t n_;
  F function_;
};

/// Publishes `function(value)` for each value, in the order of the values,
/// computed by `n` runnables at a time.
///
/// `env.run(parallel_transform(…))` starts `name.1` to `name.n` in the
/// environment, each with a copy of the function, and two runnables in this
/// process, which spread the values and put the results in order. It returns a
/// `runner_group`. With `puma::dedicated` the `n` get threads of their own, for
/// functions that block.
///
/// What is on its way inside is bounded by the capacities of `in` and `out`
/// once more. One slow value holds back what comes behind it as soon as its
/// branch's share of that is used up.
///
/// *Failure.* An exception of the function, or the loss of a process, fails
/// `out` after the results of all values that came before, and ends all `n`.
/// Under a supervisor that restarts, each of the `n` is restarted on its own:
/// no result is published twice, and the order stays.
template <class In, class Out, class F>
[[nodiscard]] auto parallel_transform(std::string name, const buffer<In>& in,
                                      const buffer<Out>& out, std::size_t n,
                                      F function) {
  static_assert(std::is_constructible_v<Out, std::invoke_result_t<F&, In&&>>,
                "parallel_transform: the function must take a value of the "
                "input and return one of the output");
  static_assert(std::is_copy_constructible_v<F>,
                "parallel_transform: each runnable has a copy of the function, "
                "so it must be copyable");
  return parallel_recipe<In, Out, F>{std::move(name), in, out, n,
                                     std::move(function)};
}

} // namespace puma
