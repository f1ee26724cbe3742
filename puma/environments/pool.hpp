// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/buffer.hpp"
#include "puma/environments/detail/any_pool.hpp"
#include "puma/environments/environment.hpp"
#include "puma/environments/submission.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace puma {

/// Workers that do jobs: calls of functions with their arguments. In a
/// `thread_environment` each worker is a thread, in a `process_environment` a
/// process, which lives on from job to job.
///
/// Results of a `pool<R>` go to a buffer of `R`, in the order in which jobs are
/// done; the buffer completes when the pool has been closed and all jobs are
/// done. A `pool<>` has no such buffer: each `job` has its result.
///
/// *Jobs.* `submit<&function>(args…)` calls a function that is known at compile
/// time, or a lambda without captures, and `submit(callable, args…)` anything
/// that can be called. In processes arguments and results must be able to
/// cross, and a callable must have no captures, or be one of `with_state`;
/// otherwise `submit` throws a `usage_error` that says what to do.
///
/// *Full.* When all workers are busy and `pool_options::backlog` jobs wait,
/// `submit` waits for room, `submit_for` waits at most so long, and
/// `try_submit` does not. Workers that find no room in the results buffer wait
/// there: so a slow consumer slows submitters down. Hooks of pooled runnables
/// must not wait: there, `submit` throws `usage_error` instead.
///
/// *Threads.* All functions may be called from any thread, also from hooks and
/// from jobs; moving and destroying need exclusive use.
///
/// *Lifetime.* Its runtime must outlive it. The destructor closes it, gives
/// `pool_options::drain` to the jobs, and then does not do those that wait; it
/// never hangs and never throws. In a hook of a pooled runnable it does not
/// wait. `runtime::join` stops idle workers: close the pool before, or keep the
/// consumer of its results for that to wait for. When the program drains, a
/// `pool<R>` does the jobs that it has and closes; a `pool<>` takes jobs until
/// everything stops, since streams that drain may need it.
///
/// *Failure.* What a function throws is the error of its job, with its type,
/// and leaves the pool as it is. A worker process that dies takes only its job
/// along, which is tried again `pool_options::retries` times or fails with
/// `process_lost`; another process takes its place.
template <class R = void>
class pool : public detail::any_pool {
  static constexpr bool has_results = !std::is_void_v<R>;

  template <class Work>
  using result_of = std::conditional_t<has_results, R,
                                       detail::job_result_t<Work>>;

  // Where results go to a buffer, a job only tells that it is done.
  template <class Work>
  using told_of = std::conditional_t<has_results, void,
                                     detail::job_result_t<Work>>;

 public:
  using results_type = std::conditional_t<has_results, buffer<R>,
                                          detail::no_results>;

  /// Starts the workers. Throws `usage_error` for an empty name or options that
  /// make no sense.
  pool(std::string name, const environment& env, const results_type& results,
       const pool_options& options = {}) requires has_results
    : any_pool(std::move(name), env, options, results.shared_core()) {}

  pool(std::string name, const environment& env,
       const pool_options& options = {}) requires(!has_results)
    : any_pool(std::move(name), env, options, nullptr) {}

  /// Submits a call of `Function`, waiting for room. Returns the `job`. Throws
  /// `pool_closed`, and `usage_error` as said above.
  template <auto Function, class... Args>
  auto submit(Args&&... args) {
    return submit_work<detail::function_work_t<Function, Args...>>(
      std::forward<Args>(args)...);
  }

  /// As above, of `function`.
  template <class F, class... Args>
  auto submit(F&& function, Args&&... args) {
    return submit_work<detail::callable_work_t<F, Args...>>(
      std::forward<F>(function), std::forward<Args>(args)...);
  }

  /// As `submit`, but waits at most `timeout`, and returns a `submission`. In a
  /// hook of a pooled runnable it does not wait.
  template <auto Function, class... Args>
  [[nodiscard]] auto submit_for(std::chrono::nanoseconds timeout,
                                Args&&... args) {
    return try_work<detail::function_work_t<Function, Args...>>(
      timeout, std::forward<Args>(args)...);
  }

  template <class F, class... Args>
  [[nodiscard]] auto submit_for(std::chrono::nanoseconds timeout, F&& function,
                                Args&&... args) {
    return try_work<detail::callable_work_t<F, Args...>>(
      timeout, std::forward<F>(function), std::forward<Args>(args)...);
  }

  /// As `submit`, but never waits, and returns a `submission`.
  template <auto Function, class... Args>
  [[nodiscard]] auto try_submit(Args&&... args) {
    return try_work<detail::function_work_t<Function, Args...>>(
      at_once, std::forward<Args>(args)...);
  }

  template <class F, class... Args>
  [[nodiscard]] auto try_submit(F&& function, Args&&... args) {
    return try_work<detail::callable_work_t<F, Args...>>(
      at_once, std::forward<F>(function), std::forward<Args>(args)...);
  }

 private:
  static constexpr std::chrono::nanoseconds at_once{0};

  template <class Work, class... Args>
  static auto make(Args&&... args) {
    static_assert(!has_results
                    || std::is_constructible_v<R, typename Work::result>,
                  "submit: the function must return what the buffer for the "
                  "results takes");
    return std::make_shared<detail::pooled_call<Work, result_of<Work>>>(
      std::in_place, std::forward<Args>(args)...);
  }

  template <class Work, class... Args>
  job<told_of<Work>> submit_work(Args&&... args) {
    auto made = make<Work>(std::forward<Args>(args)...);
    job<told_of<Work>> result{made};
    give(std::move(made));
    return result;
  }

  template <class Work, class... Args>
  submission<told_of<Work>> try_work(std::chrono::nanoseconds timeout,
                                     Args&&... args) {
    using submission_type = submission<told_of<Work>>;
    reservation place{*this, reserve(timeout)};
    if (place.result() != submit_result::accepted)
      return submission_type{place.result()};
    auto made = make<Work>(std::forward<Args>(args)...);
    submission_type result{job<told_of<Work>>{made}};
    place.use(std::move(made));
    return result;
  }
};

} // namespace puma
