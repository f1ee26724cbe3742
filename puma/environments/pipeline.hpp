// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/detail/pipeline_line.hpp"
#include "puma/environments/detail/pipeline_plan.hpp"
#include "puma/environments/environment.hpp"
#include "puma/environments/pipeline_runner.hpp"
#include "puma/environments/stages.hpp"

#include <memory>
#include <utility>

namespace puma {

/// Runnables and the buffers between them, written as a line:
///
///     auto p = pipeline(env) | generate("read", read_line)
///                            | transform("parse", parse)
///                            | for_each("store", store);
///     auto running = p.run();
///
/// What may stand in it is in `puma/environments/stages.hpp`. Types are deduced
/// from the functions and checked at compile time. It only wires: what runs is
/// what `environment::run` would run.
///
/// `T` is what comes out at the end of the line so far; it need not be named.
///
/// *Threads.* To be used by one thread at a time.
///
/// *Lifetime.* The environments' runtime must outlive it. Making or running it
/// consumes it: once.
///
/// *Failure.* What cannot be seen at compile time is found by `make` and `run`,
/// which throw a single `usage_error` with all that is wrong, and have started
/// nothing then.
template <class T = detail::no_source>
class pipeline {
 public:
  using value_type = T;

  /// Begins a pipeline whose buffers and runnables are made by `where`.
  explicit pipeline(
    const environment& where,
    pipeline_options options = {}) requires std::is_same_v<T, detail::no_source>
    : line_{std::make_shared<detail::pipeline_plan>(where, options),
            detail::environment_access::share(where)} {}

  /// Used by the stages.
  explicit pipeline(detail::line<T> line) noexcept : line_(std::move(line)) {}

  pipeline(pipeline&&) noexcept = default;
  pipeline& operator=(pipeline&&) noexcept = default;

  /// Prepares all stages, and leaves the start to `pipeline_runner::start`.
  [[nodiscard]] pipeline_runner make() {
    detail::check_is_whole<T>();
    return line_.plan->make();
  }

  /// Starts all stages. Does not wait.
  [[nodiscard]] pipeline_runner run() {
    auto result = make();
    result.start();
    return result;
  }

  /// Used by the stages.
  [[nodiscard]] detail::line<T> release() && noexcept {
    return std::move(line_);
  }

 private:
  detail::line<T> line_;
};

pipeline(const environment&)->pipeline<detail::no_source>;
pipeline(const environment&, pipeline_options)->pipeline<detail::no_source>;

/// Appends a stage, or anything else from `puma/environments/stages.hpp`.
template <class T, detail::pipeline_item Item>
[[nodiscard]] auto operator|(pipeline<T> to, Item item) {
  auto line = std::move(item).append_to(std::move(to).release());
  return pipeline<typename decltype(line)::value_type>{std::move(line)};
}

} // namespace puma
