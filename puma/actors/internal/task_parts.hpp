// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/task.hpp"
#include "puma/actors/internal/value_keeper.hpp"
#include "puma/logging/internal/log_context.hpp"

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace puma::internal {

inline constexpr const char* value_activity = "on_value";

struct task::input {
  std::unique_ptr<inlet> end;
  const detail::input_ops& ops;
  void* subscriber;
  std::uint32_t stride = 1;
  bool done = false;                    // its subscriber has had on_complete
  bool held = false;                    // by the runnable, until it resumes it
  std::unique_ptr<value_keeper> keeper; // if its values may be tried again
  std::uint64_t handled = 0;            // if there is a keeper
};

struct task::kept_objects {
  std::map<std::uint64_t, detail::kept_ptr> all;
};

/// Says what the task is doing, for reports and error records. An exception
/// that passes by leaves it standing until the record has been made.
class task::activity_guard {
 public:
  activity_guard(task& self, const char* what)
    : self_(self),
      outer_(self.activity_.load(std::memory_order_relaxed)) {
    self_.activity_.store(what, std::memory_order_relaxed);
  }

  activity_guard(const activity_guard&) = delete;
  activity_guard& operator=(const activity_guard&) = delete;

  ~activity_guard() {
    if (std::uncaught_exceptions() == exceptions_)
      self_.activity_.store(outer_, std::memory_order_relaxed);
  }

 private:
  task& self_;
  const char* outer_; // a hook that waits may run jobs
  const int exceptions_ = std::uncaught_exceptions();
};

/// Makes the task the one whose hooks run on this thread.
class task::scope {
 public:
  explicit scope(task& self)
    : self_(self),
      outer_(std::exchange(party::current(), &self)),
      outer_log_context_(std::exchange(log_context(), &self.record_->name)) {
    for (auto* x : self_.outputs_)
      x->enter_scope();
  }

  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  ~scope() {
    for (auto* x : self_.outputs_)
      x->leave_scope();
    party::current() = outer_;
    log_context() = outer_log_context_;
  }

 private:
  task& self_;
  party* outer_;
  const std::string* outer_log_context_;
};

} // namespace puma::internal
