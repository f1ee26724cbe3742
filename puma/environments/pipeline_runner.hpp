// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runner.hpp"
#include "puma/actors/runner_group.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace puma {

namespace detail {
class pipeline_plan;

/// What runs a stage.
using stage_host = std::variant<runner, runner_group>;
} // namespace detail

/// The owner's handle on the runnables of a `pipeline`, in the order of its
/// stages.
///
/// *Threads.* All functions may be called from any thread; moving and
/// destroying need exclusive use.
///
/// *Lifetime.* As with a single `runner`: leaving its scope stops all stages,
/// waits for their end, at most for one `runtime_options::teardown_timeout`
/// together, and never throws.
///
/// *Failure.* An error goes downstream, as in any pipeline; where it ends, it
/// is thrown once. Stages may also be asked one by one: `at("parse")`.
class pipeline_runner {
 public:
  /// A runner of nothing; it has no stages.
  pipeline_runner() noexcept = default;

  pipeline_runner(pipeline_runner&&) noexcept = default;
  pipeline_runner& operator=(pipeline_runner&& other) noexcept;

  ~pipeline_runner();

  /// Starts all stages that `pipeline::make` prepared, those that consume
  /// before those that publish to them. If one cannot be started, stops the
  /// others and throws. Starting twice is a `usage_error`.
  void start();

  /// Waits until all stages have been constructed; throws the error of the
  /// first one that failed.
  void wait_until_running();

  /// As above; returns false if `timeout` was not enough.
  [[nodiscard]] bool wait_until_running_for(std::chrono::nanoseconds timeout);

  /// Asks the sources to end, so that what is under way flows out and the
  /// others end in order. Does not wait. Stages that read from a buffer that is
  /// fed from outside, or from a feedback buffer, do not end by that.
  void stop_sources();

  /// Asks all stages to end, each after the value in hand. Does not wait; what
  /// waits in buffers stays there.
  void stop();

  /// Waits until all stages have ended.
  void join();

  /// As above; returns false if one is still alive after `timeout`.
  [[nodiscard]] bool join_for(std::chrono::nanoseconds timeout);

  /// Returns whether a stage was started and has not ended.
  [[nodiscard]] bool is_alive() const;

  /// Throws the first error that ended a stage and that was not taken or thrown
  /// before, with its own type.
  void check_for_exceptions();

  /// Returns the runner of the stage with that name; `usage_error`, with the
  /// names that there are, if there is none.
  [[nodiscard]] runner& at(std::string_view stage);

  /// The same for a stage of several runnables: `parallel_transform`.
  [[nodiscard]] runner_group& group_at(std::string_view stage);

  /// Returns the names of the stages.
  [[nodiscard]] std::vector<std::string> stages() const;

  /// Returns how many stages there are.
  [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

 private:
  friend class detail::pipeline_plan;

  struct entry {
    std::string name;
    bool is_source;
    detail::stage_host host;
  };

  entry& find(std::string_view stage);

  std::vector<entry> all_;
  // Whose streams must not end before all of their publishers are there.
  std::vector<detail::buffer_core_ptr> held_open_;
};

} // namespace puma
