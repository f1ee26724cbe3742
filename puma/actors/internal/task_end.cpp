// SPDX-License-Identifier: Apache-2.0

// How a runnable ends, and how it is suspended to be restarted.

#include "puma/actors/internal/registry.hpp"
#include "puma/actors/internal/task_parts.hpp"
#include "puma/base/error.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace puma::internal {

// -- the end ------------------------------------------------------------------

void task::deliver_end(input& in, const failure* error) {
  in.done = true;
  --open_inputs_;
  current_input_ = &in;
  const activity_guard doing{*this, "on_complete"};
  strike("on_complete");
  const bool overridden = in.ops.complete(in.subscriber, error);
  if (overridden && error)
    end_taken_ = true;
}

void task::run_last_jobs(std::optional<failure>& error) {
  if (error || !object_)
    return;
  try {
    // Not those that these make in turn.
    for (auto n = jobs_.size(); n != 0 && run_job(); --n) {
    }
  } catch (...) {
    error = ending_here();
    own_error_ = error.has_value();
  }
}

void task::drop_jobs(const failure* error) noexcept {
  jobs_.close();
  std::size_t lost = 0;
  while (const auto job = jobs_.pop())
    if (job->drop(describe() + " ended"
                  + (error ? ", with " + error->describe() : std::string{})))
      ++lost;
  if (lost != 0)
    log(log_level::warning, "puma.actors",
        describe() + ": ended before " + std::to_string(lost)
          + " posted calls were made");
}

task::outcome task::end(std::optional<failure> error) {
  run_last_jobs(error);
  in_job_ = true; // hooks that wait from now on run no more of them
  if (!error && job_error_) {
    error = std::move(job_error_);
    own_error_ = true;
  }
  // Before anybody is told: it may be about to begin anew.
  bool handled = false;
  const bool may_suspend = must_suspend(error.has_value());
  if (may_suspend && error)
    handled = ask_about(*error);
  if (may_suspend && !handled)
    return suspend(std::move(error));
  for (std::size_t i = 0; object_ && i != inputs_.size(); ++i) {
    if (inputs_[i]->done)
      continue;
    try {
      deliver_end(*inputs_[i], error ? &*error : nullptr);
    } catch (...) {
      auto second = ending_here();
      if (!second)
        continue;
      if (error) {
        log(log_level::error, "puma.actors",
            second->describe() + "; ignored, because it has failed before");
      } else {
        error = std::move(second);
        own_error_ = true;
      }
    }
  }
  if (error && object_ && !may_suspend)
    handled = ask_about(*error);
  forget_handlers();
  kept_.reset(); // their destructors may still publish
  for (auto& in : inputs_)
    in->end->give_back();
  const bool settled = handled || end_taken_;
  bool passed_on = false;
  const auto* const outgoing = error && !settled ? &*error : nullptr;
  close_outputs(outgoing, passed_on);
  for (auto& x : std::exchange(record_->held, {}))
    passed_on = x.end(outgoing) || passed_on;
  if (error)
    record_->owner->failing(*record_, *error); // who calls from now on is told
  drop_jobs(error ? &*error : nullptr);
  destroy_object();
  const bool untaken = error && !settled && !passed_on;
  if (error) {
    exit_text_ = error->describe();
    if (own_error_)
      log(handled ? log_level::info : log_level::error, "puma.actors",
          exit_text_);
  }
  const auto record = std::exchange(record_, nullptr);
  record->owner->ended(*record, error ? &*error : nullptr, untaken);
  return outcome::ended;
}

bool task::ask_about(const failure& error) noexcept {
  if (!object_)
    return false;
  activity_.store("on_error", std::memory_order_relaxed);
  try {
    return object_->on_error(error);
  } catch (...) {
    log(log_level::error, "puma.actors",
        failure_here().describe() + "; ignored, because it has failed before");
    return false;
  }
}

// -- restarts -----------------------------------------------------------------

bool task::must_suspend(bool failed) const {
  const auto& terms = record_->terms;
  if (!terms.on_failure || record_->owner->is_told_to_stop(*record_))
    return false;
  const auto ended = [](const outlet* x) { return x->ended(); };
  if (!outputs_.empty() && std::all_of(outputs_.begin(), outputs_.end(), ended))
    return false;
  if (failed)
    return own_error_;
  if (suspending_)
    return true;
  // The end of its inputs, or of a source, is one that outputs pass on.
  const bool stopped_itself = stopping_
                              || (bits_.load(std::memory_order_relaxed)
                                  & wake::stop)
                                   != 0;
  return terms.on_own_stop && stopped_itself
         && std::none_of(outputs_.begin(), outputs_.end(), ended);
}

void task::tell_ready() {
  if (!record_->is_supervised() || std::exchange(ready_told_, true))
    return;
  std::vector<const queue*> in;
  std::vector<const queue*> out;
  for (auto& x : inputs_)
    in.push_back(&x->end->source());
  for (auto* x : outputs_)
    out.push_back(&x->target());
  record_->owner->ready(*record_, std::move(in), std::move(out));
}

void task::take_over_streams() {
  for (auto& x : std::exchange(record_->held, {}))
    x.hand_on(
      std::any_of(outputs_.begin(), outputs_.end(),
                  [&](const outlet* y) { return &y->target() == x.to.get(); }));
}

task::outcome task::suspend(std::optional<failure> error) {
  if (error)
    log(log_level::warning, "puma.actors",
        error->describe() + "; left to its supervisor");
  forget_handlers();
  kept_.reset(); // their destructors may still publish
  for (auto& in : inputs_)
    in->end->give_back();
  suspension left{std::move(error), std::exchange(record_->held, {}),
                  std::move(failed_value_)};
  for (auto* x : outputs_) {
    if (x->ended())
      continue;
    const auto known = std::find_if(
      left.held.begin(), left.held.end(),
      [x](const auto& y) { return y.to.get() == &x->target(); });
    if (known != left.held.end()) {
      known->published = true;
      continue;
    }
    x->target().add_token();
    left.held.push_back({x->target().shared_from_this(), true});
  }
  record_->owner->detach(*record_);
  jobs_.close();
  std::vector<detail::job_ptr> jobs;
  while (auto job = jobs_.pop())
    jobs.push_back(std::move(job));
  destroy_object();
  const auto record = std::exchange(record_, nullptr);
  record->owner->suspended(*record, std::move(left), std::move(jobs));
  return outcome::ended;
}

void task::destroy_object() {
  activity_.store("destructor", std::memory_order_relaxed);
  object_.reset();
  ticker_.reset();
  inputs_.clear();
  for (auto* x : std::exchange(outputs_, {}))
    x->orphan();
  activity_.store("ended", std::memory_order_relaxed);
}

void task::close_outputs(const failure* error, bool& passed_on) {
  for (auto* x : outputs_) {
    if (x->ended())
      continue;
    if (error) {
      passed_on = x->live() || passed_on;
      x->fail(*error, pending_);
    } else {
      x->complete(pending_);
    }
  }
}

std::optional<failure> task::ending_here() const {
  try {
    throw;
  } catch (const stopped&) {
    constexpr auto ends = wake::stop | wake::suspend;
    if (stopping_ || suspending_
        || (bits_.load(std::memory_order_relaxed) & ends) != 0)
      return std::nullopt;
  } catch (...) {
    // An error.
  }
  return failure_here();
}

failure task::failure_here() const {
  // An error that was thrown to this runnable on behalf of another one stays
  // the same error.
  if (auto known = current_failure())
    return *known;
  return failure{std::current_exception(), record_->name, describe_activity()};
}

std::string task::describe_activity() const {
  std::string result = activity();
  if (current_input_ && result == value_activity)
    result += " (value "
              + std::to_string(current_input_->end->released().load())
              + " of buffer '" + current_input_->end->source().name() + "')";
  else if (current_input_ && result == "on_complete")
    result += " (of buffer '" + current_input_->end->source().name() + "')";
  return result;
}

} // namespace puma::internal
