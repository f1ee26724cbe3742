// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"
#include "puma/actors/detail/status_value.hpp"
#include "puma/actors/internal/hosted.hpp"
#include "puma/actors/internal/suspension.hpp"
#include "puma/base/failure.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace puma::internal {

class registry;
struct supervised;

/// How far a runnable has come.
enum class run_phase : std::uint8_t {
  prepared, ///< Not started yet.
  starting, ///< Started, not constructed yet.
  running,  ///< Constructed.
  ended,    ///< The object is gone.
};

/// What ends a runnable.
enum class run_kind : std::uint8_t {
  unknown, ///< Not constructed yet.
  stream,  ///< Has inputs, or is a source: ends with its streams.
  passive, ///< Lives until it is stopped.
};

/// What the owner's side knows of one runnable. Outlives the runnable; guarded
/// by the registry's mutex, save for the constants. Calls that its runner sends
/// go through it.
struct run_record final : detail::call_target {
  const std::shared_ptr<registry> owner;
  const std::shared_ptr<run_starter> starter;
  const bool own_thread;
  const std::shared_ptr<run_observer> observer; // or null
  const std::shared_ptr<supervised> care;       // of its supervisor, or null
  const restart_terms terms;
  // Numbers objects that are kept: not again by a successor, because references
  // to what was before may still be there. Of the host alone.
  std::uint64_t last_kept = detail::own_object;
  bool takes_errors = false;     // its owner asks; set before the start
  bool stop_requested = false;   // by its owner
  bool lost_process = false;     // it ended with its process
  bool is_ready = false;         // supervised: on_start has returned, or waits
  bool has_run = false;          // an instance before this one was constructed
  bool is_suspended = false;     // waits for its supervisor
  bool is_detached = false;      // the instance is ending, to be suspended
  std::uint64_t instance = 0;    // counts its starts
  std::vector<held_stream> held; // kept open for this instance
  run_phase phase = run_phase::prepared;
  run_kind kind = run_kind::unknown;
  std::uint32_t early_signals = 0;         // came before the host was known
  std::vector<detail::job_ptr> early_jobs; // as well
  detail::recipe_ptr recipe;      // until the construction, or the last restart
  std::string name;               // the type's name until the construction
  std::uint32_t watchers = 0;     // threads that wait for this one
  hosted* running = nullptr;      // holds a reference while not null
  std::unique_ptr<failure> error; // what ended it
  // What the value in hand came from, for the observer.
  std::shared_ptr<queue> failed_input;
  std::vector<detail::status_ptr> statuses; // the latest of each type
  run_record* previous = nullptr;           // among the live ones
  run_record* next = nullptr;

  run_record(std::shared_ptr<registry> o, std::shared_ptr<run_starter> where,
             bool thread, detail::recipe_ptr r,
             std::shared_ptr<run_observer> watching,
             std::shared_ptr<supervised> child, restart_terms how)
    : owner(std::move(o)),
      starter(std::move(where)),
      own_thread(thread),
      observer(std::move(watching)),
      care(std::move(child)),
      terms(how),
      recipe(std::move(r)) {
    name = recipe->name();
  }

  [[nodiscard]] bool is_supervised() const noexcept {
    return care || terms.on_failure;
  }

  // -- implementation of call_target ------------------------------------------

  void send(const detail::call_ptr& x) override;
  [[nodiscard]] bool is_here() const override;
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] std::string current_activity() const override;
};

} // namespace puma::internal
