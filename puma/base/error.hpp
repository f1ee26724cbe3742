// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <stdexcept>
#include <string>

namespace puma {

/// Root of everything puma throws on its own account. Errors out of user code
/// keep their own type and are rethrown unchanged.
///
/// The classes below are grouped by what the caller does next, not by where
/// the error came from.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The call is wrong: fix the call. Nothing has been changed by it.
class usage_error : public error {
 public:
  using error::error;
};

/// Something was used in a scope that may not, such as an attribute of a
/// runnable by another one: the text names it and both scopes.
class scope_error : public usage_error {
 public:
  using usage_error::usage_error;
};

/// A buffer had no room and its policy is to fail, or a runnable published
/// more than its outbox may hold: back off, or give the buffer more capacity
/// or another overflow policy.
class buffer_full : public error {
 public:
  using error::error;
};

/// The runnable was told to stop while it waited in `publish`, `next` or
/// `sleep_for`: let it pass, the host takes it as a normal end.
class stopped : public error {
 public:
  using error::error;
};

/// A wait with a time limit ran out: try again, or find out who hangs.
class timeout_error : public error {
 public:
  using error::error;
};

/// A runnable was still alive when it had to be gone; the text names it and
/// what it was doing: give it more time, or make its hook return.
class still_alive_error : public timeout_error {
 public:
  using timeout_error::timeout_error;
};

/// A stream was still open when `runtime::shutdown` had no more time for it:
/// what should have ended it does not answer. Its report names who.
class shutdown_aborted : public error {
 public:
  using error::error;
};

/// What `puma::testing::fault_script` lets a hook throw.
class injected_fault : public error {
 public:
  using error::error;
};

/// A runnable that was called ended before it could answer; the text says how:
/// start it again, or go on without it.
class runnable_ended : public error {
 public:
  using error::error;
};

/// A pool takes no more jobs, or did not do one that waited: it was closed or
/// stopped, or its runtime ends. The text says which: stop submitting.
class pool_closed : public error {
 public:
  using error::error;
};

/// A supervisor gave up: what it looks after fails more often than it may, or
/// cannot be restarted. The failure's causes tell why; see `failure::cause`.
class restarts_exhausted : public error {
 public:
  using error::error;
};

/// A process of the runtime ended, or did not answer any more: start again what
/// ran there; the text says how it ended.
class process_lost : public error {
 public:
  using error::error;
};

} // namespace puma
