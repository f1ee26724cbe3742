// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/call_core.hpp"
#include "puma/actors/detail/status_value.hpp"
#include "puma/actors/internal/job_inbox.hpp"
#include "puma/actors/internal/suspension.hpp"
#include "puma/base/internal/waker.hpp"

#include <memory>
#include <string>
#include <vector>

namespace puma::internal {

struct run_record;

/// A started runnable, wherever it runs, as its owner's registry sees it.
///
/// *Threads.* All functions may be called from any thread, also under locks.
class hosted {
 public:
  /// Lets the runnable know of `what`; `wakes` are fired by the caller.
  virtual void notify(wake::bits what, wake_list& wakes) noexcept = 0;

  /// Returns what the runnable is doing now, for reports.
  [[nodiscard]] virtual std::string current_activity() const = 0;

  /// Returns where its calls go when it is in another process; null when it is
  /// in this one.
  [[nodiscard]] virtual detail::target_ptr route() = 0;

  /// Gives a job to the runnable, which is in this process.
  virtual job_inbox::result give(const detail::job_ptr& x,
                                 wake_list& wakes) noexcept = 0;

  /// Returns whether the calling thread is in one of its hooks.
  [[nodiscard]] virtual bool is_here() const noexcept = 0;

  /// Gives up the registry's reference.
  virtual void drop() noexcept = 0;

 protected:
  ~hosted() = default;
};

/// Starts runnables: in this process, or in another one.
class run_starter {
 public:
  virtual ~run_starter() = default;

  /// Throws when the runnable cannot go where this would start it.
  virtual void check(const run_record& x) const = 0;

  /// Starts what the record describes; returns it with a reference for the
  /// registry. From then on the registry's `constructed` and `ended` may be
  /// called at any time.
  virtual hosted* start(const std::shared_ptr<run_record>& x) = 0;

  /// Ends the process of a runnable that nobody waits for any more, if it has
  /// one of its own. Otherwise does nothing.
  virtual void give_up(const std::shared_ptr<run_record>& x,
                       const std::string& why) {
    static_cast<void>(x);
    static_cast<void>(why);
  }
};

/// Told of the life of one runnable, on whatever thread it ends. For those who
/// run it on behalf of another process.
class run_observer {
 public:
  virtual ~run_observer() = default;
  virtual void on_constructed(const run_record& x) = 0;
  virtual void on_ended(const run_record& x, bool untaken) = 0;

  /// A supervised one has been through its start; so it uses these buffers.
  virtual void on_ready(const run_record& x,
                        const std::vector<const queue*>& inputs,
                        const std::vector<const queue*>& outputs)
    = 0;

  /// It has ended, and waits to be restarted.
  virtual void on_suspended(const run_record& x, suspension left) = 0;

  /// May throw `usage_error`, to the one who published it.
  virtual void on_status(const run_record& x, detail::status_ptr status) = 0;
};

} // namespace puma::internal
