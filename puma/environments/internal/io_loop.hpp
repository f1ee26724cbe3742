// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <functional>
#include <memory>

namespace puma::internal {

/// What an `io_loop` tells about a descriptor; all on the loop's thread.
class io_client {
 public:
  virtual ~io_client() = default;

  /// There is something to read or to accept. Returns false when it is over.
  virtual bool on_readable() = 0;

  /// There is room for writing, after `want_write`. Returns whether that is to
  /// be told again.
  virtual bool on_writable() = 0;

  /// The descriptor is no longer watched and is about to be closed.
  virtual void on_removed() = 0;
};

/// Watches descriptors: the multiplexer of CAF's middleman, as the parts of
/// puma that do without CAF see it.
///
/// *Threads.* All functions may be called from any thread.
class io_loop {
 public:
  /// Refers to a watched descriptor.
  class handle {
   public:
    virtual ~handle() = default;

    /// Lets `on_writable` be called.
    virtual void want_write() = 0;

    /// Stops watching, and closes the descriptor; `on_removed` follows.
    virtual void remove() = 0;
  };

  using handle_ptr = std::shared_ptr<handle>;

  virtual ~io_loop() = default;

  /// Watches `descriptor`, which it owns from now on, for reading. Nothing is
  /// told before `start` is called with the result.
  virtual handle_ptr watch(int descriptor, std::shared_ptr<io_client> client)
    = 0;

  /// Starts to tell.
  virtual void start(const handle_ptr& x) = 0;

  /// Runs `what` on the loop's thread.
  virtual void post(std::function<void()> what) = 0;
};

} // namespace puma::internal
