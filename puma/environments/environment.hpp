// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/constructing.hpp"
#include "puma/actors/detail/handing.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/parallel_transform.hpp"
#include "puma/actors/proxy.hpp"
#include "puma/actors/runner.hpp"
#include "puma/actors/runner_group.hpp"
#include "puma/actors/supervision_policy.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/environments/condition.hpp"
#include "puma/environments/event.hpp"
#include "puma/environments/shared_value.hpp"

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace puma {

class runtime;
class supervisor_environment;

namespace internal {
class pool_core;
struct supervisor_node;
} // namespace internal

namespace detail {
struct environment_access;
} // namespace detail

/// Says that a runnable gets a thread of its own. Only there may its hooks
/// block.
struct dedicated_t {};

inline constexpr dedicated_t dedicated{};

/// Where runnables start, and where the things come from that they share.
/// Changing the environment is the one change that moves them.
///
/// *Threads.* All functions may be called from any thread, also from hooks.
///
/// *Lifetime.* A cheap handle; its runtime must outlive it.
class environment {
 public:
  virtual ~environment() = default;

  /// Makes a buffer for `capacity` values. See `buffer`.
  template <class T>
  [[nodiscard]] buffer<T> make_buffer(std::string name, std::size_t capacity,
                                      buffer_options options = {}) const {
    buffer<T> result{std::move(name), capacity, options};
    adopt(result.shared_core());
    return result;
  }

  /// Starts a `Runnable`, constructed from `args` in its own scope, on the
  /// shared scheduler threads. Does not wait: what the constructor throws
  /// arrives at the runner. The streams of all buffers among `args`, alone or
  /// in vectors, are held open until the runnable has been constructed.
  template <std::derived_from<runnable> Runnable, class... Args>
  [[nodiscard]] runner run(Args&&... args) const {
    return start(false, recipe_for<Runnable>(std::forward<Args>(args)...));
  }

  /// As above, with a thread of its own.
  template <std::derived_from<runnable> Runnable, class... Args>
  [[nodiscard]] runner run(dedicated_t, Args&&... args) const {
    return start(true, recipe_for<Runnable>(std::forward<Args>(args)...));
  }

  /// Starts a runnable made from a function: `run(for_each(…))`.
  template <class Runnable>
  [[nodiscard]] runner run(function_recipe<Runnable> recipe) const {
    return start(false, std::move(recipe).release());
  }

  template <class Runnable>
  [[nodiscard]] runner run(dedicated_t,
                           function_recipe<Runnable> recipe) const {
    return start(true, std::move(recipe).release());
  }

  /// Starts a child of `parent`, which stays the caller's and is never run: a
  /// new object of its class, made by the default constructor in its own scope,
  /// which gets what the parent's attributes say now. The class names them:
  ///
  ///     auto attributes() { return puma::attribute_list(in_, limit_); }
  ///
  /// Throws `usage_error` that names the attribute which cannot go where this
  /// would run it. See docs/attributes.md.
  template <std::derived_from<runnable> Runnable>
  [[nodiscard]] runner run(const std::shared_ptr<Runnable>& parent) const {
    return start(false, recipe_from(parent));
  }

  template <std::derived_from<runnable> Runnable>
  [[nodiscard]] runner run(dedicated_t,
                           const std::shared_ptr<Runnable>& parent) const {
    return start(true, recipe_from(parent));
  }

  /// Starts what makes up a `parallel_transform`.
  template <class In, class Out, class F>
  [[nodiscard]] runner_group run(parallel_recipe<In, Out, F> recipe) const {
    return started(make(std::move(recipe)));
  }

  template <class In, class Out, class F>
  [[nodiscard]] runner_group run(dedicated_t,
                                 parallel_recipe<In, Out, F> recipe) const {
    return started(make(dedicated, std::move(recipe)));
  }

  /// As `run`, but leaves the start to `runner::start`.
  template <std::derived_from<runnable> Runnable, class... Args>
  [[nodiscard]] runner make(Args&&... args) const {
    return prepare(false, recipe_for<Runnable>(std::forward<Args>(args)...));
  }

  template <std::derived_from<runnable> Runnable, class... Args>
  [[nodiscard]] runner make(dedicated_t, Args&&... args) const {
    return prepare(true, recipe_for<Runnable>(std::forward<Args>(args)...));
  }

  template <class Runnable>
  [[nodiscard]] runner make(function_recipe<Runnable> recipe) const {
    return prepare(false, std::move(recipe).release());
  }

  template <class Runnable>
  [[nodiscard]] runner make(dedicated_t,
                            function_recipe<Runnable> recipe) const {
    return prepare(true, std::move(recipe).release());
  }

  template <std::derived_from<runnable> Runnable>
  [[nodiscard]] runner make(const std::shared_ptr<Runnable>& parent) const {
    return prepare(false, recipe_from(parent));
  }

  template <std::derived_from<runnable> Runnable>
  [[nodiscard]] runner make(dedicated_t,
                            const std::shared_ptr<Runnable>& parent) const {
    return prepare(true, recipe_from(parent));
  }

  template <class In, class Out, class F>
  [[nodiscard]] runner_group make(parallel_recipe<In, Out, F> recipe) const {
    return assemble(false, std::move(recipe));
  }

  template <class In, class Out, class F>
  [[nodiscard]] runner_group make(dedicated_t,
                                  parallel_recipe<In, Out, F> recipe) const {
    return assemble(true, std::move(recipe));
  }

  /// Makes a supervisor that starts runnables here: a child of this one, if
  /// this is one. Throws `usage_error` for a policy that makes no sense.
  [[nodiscard]] supervisor_environment
  supervisor(std::string name, const supervision_policy& policy = {}) const;

  /// Offers an object of this process to runnables, wherever they run. See
  /// `proxy`. Methods that block need a thread of their own: `dedicated`.
  template <class Interface>
  [[nodiscard]] proxy<Interface> make_proxy(std::string name,
                                            Interface& object) const {
    return proxy_for(false, std::move(name), object);
  }

  template <class Interface>
  [[nodiscard]] proxy<Interface> make_proxy(dedicated_t, std::string name,
                                            Interface& object) const {
    return proxy_for(true, std::move(name), object);
  }

  /// Makes a value that runnables of all environments share, such as a counter
  /// or a flag: `make_value<std::int64_t>("hits")`,
  /// `make_value<bool>("ready")`.
  template <class T>
  [[nodiscard]] shared_value<T> make_value(std::string name,
                                           T initial = {}) const {
    return shared_value<T>{std::move(name), initial};
  }

  /// Makes an event that runnables of all environments share.
  [[nodiscard]] event make_event(std::string name) const {
    return event{std::move(name)};
  }

  /// Makes a condition that runnables of all environments share.
  [[nodiscard]] condition make_condition(std::string name) const {
    return condition{std::move(name)};
  }

 protected:
  /// Makes the runtime drain and report the buffer.
  virtual void adopt(const detail::buffer_core_ptr& x) const = 0;

  /// Registers a runnable, not yet started.
  [[nodiscard]] virtual runner prepare(bool own_thread,
                                       detail::recipe_ptr recipe,
                                       detail::care_ptr care) const = 0;

  /// As above, always in this process.
  [[nodiscard]] virtual runner
  prepare_here(bool own_thread, detail::recipe_ptr recipe) const = 0;

  /// Returns a copy.
  [[nodiscard]] virtual std::shared_ptr<const environment> share() const = 0;

  [[nodiscard]] virtual runtime& owner() const noexcept = 0;

  /// Returns whether runnables start in this process.
  [[nodiscard]] virtual bool is_local() const noexcept = 0;

  /// Returns the supervisor that this is; null if it is none.
  [[nodiscard]] virtual std::shared_ptr<internal::supervisor_node> node() const;

 private:
  friend class internal::pool_core;
  friend class supervisor_environment;
  friend struct detail::environment_access;

  runner prepare(bool own_thread, detail::recipe_ptr recipe) const {
    return prepare(own_thread, std::move(recipe), nullptr);
  }

  template <class Recipe>
  runner_group assemble(bool own_threads, Recipe recipe) const {
    return std::move(recipe).assemble(
      [this](const detail::buffer_core_ptr& x) { adopt(x); },
      [this](detail::recipe_ptr x) {
        return prepare_here(false, std::move(x));
      },
      [this, own_threads](detail::recipe_ptr x) {
        return prepare(own_threads, std::move(x));
      });
  }

  static runner_group started(runner_group x) {
    x.start();
    return x;
  }

  template <class Interface>
  proxy<Interface> proxy_for(bool own_thread, std::string name,
                             Interface& object) const {
    auto host = prepare_here(
      own_thread,
      recipe_for<detail::proxying<Interface>>(std::move(name), &object));
    host.start();
    return proxy<Interface>{std::move(host)};
  }

  template <class Runnable, class... Args>
  static detail::recipe_ptr recipe_for(Args&&... args) {
    static_assert(std::is_constructible_v<Runnable, std::decay_t<Args>...>,
                  "run: the runnable has no constructor for these arguments");
    if constexpr (std::is_constructible_v<Runnable, detail::stored<Args>...>)
      return std::make_unique<
        detail::constructing_recipe<Runnable, detail::stored<Args>...>>(
        std::in_place, std::forward<Args>(args)...);
    else
      return std::make_unique<
        detail::constructing_recipe<Runnable, std::decay_t<Args>...>>(
        std::in_place, std::forward<Args>(args)...);
  }

  template <class Runnable>
  detail::recipe_ptr
  recipe_from(const std::shared_ptr<Runnable>& parent) const {
    return detail::handing_recipe<Runnable>::make_from(parent.get(),
                                                       is_local());
  }

  runner start(bool own_thread, detail::recipe_ptr recipe) const {
    auto result = prepare(own_thread, std::move(recipe));
    result.start();
    return result;
  }
};

} // namespace puma
