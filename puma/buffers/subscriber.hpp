// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/buffers/detail/window.hpp"

#include <atomic>
#include <cstdint>
#include <span>

namespace puma {

namespace detail {
struct subscriber_access;
[[noreturn]] void throw_no_value_hook();
} // namespace detail

/// Receives the values of one or more inputs, and their ends.
///
/// *Threads.* Its hooks run one after the other, in the scope of the runnable
/// that services the inputs.
///
/// *Failure.* An exception that leaves a hook ends the runnable.
template <class T>
class subscriber {
 public:
  virtual ~subscriber() = default;

  /// Called for each value, in order. The value is the buffer's until the hook
  /// returns; move out of it at will.
  virtual void on_value(T&) { detail::throw_no_value_hook(); }

  /// Override this in place of `on_value` to get all values that are there, in
  /// order, as one batch.
  virtual void on_values(std::span<T>) { takes_batches_ = false; }

  /// Called once per input, after its last value; `error` is null unless the
  /// stream failed. Overriding it means to take the end and the error: the
  /// override decides what becomes of the outputs, and an error that it returns
  /// from is not thrown to the owner. Not overridden, ends and errors go on to
  /// every output.
  virtual void on_complete(const failure* error) {
    static_cast<void>(error);
    takes_ends_ = false;
  }

 private:
  friend struct detail::subscriber_access;

  // Cleared by the default implementations: the only way to see whether a
  // virtual function has been overridden that works everywhere.
  bool takes_batches_ = true;
  bool takes_ends_ = true;
};

namespace detail {

/// How the host, which does not know `T`, drives a `subscriber<T>`.
struct input_ops {
  /// Hands at most `limit` values of the window to the subscriber, until it is
  /// empty or one of the bits in `mask` shows up in `attention`. Each value is
  /// destroyed and counted in `released` right after its hook.
  void (*service)(void* subscriber, read_window& in, std::size_t limit,
                  std::atomic<std::uint64_t>& released,
                  const std::atomic<std::uint32_t>& attention,
                  std::uint32_t mask);
  /// Hands over the end; returns whether `on_complete` is overridden.
  bool (*complete)(void* subscriber, const failure* error);
};

struct subscriber_access {
  /// Destroys what a hook has seen, and frees its place, also when it throws.
  template <class T>
  class consumed {
   public:
    consumed(read_window& in, std::atomic<std::uint64_t>& released,
             std::size_t count) noexcept
      : in_(in),
        released_(released),
        count_(count) {}

    consumed(const consumed&) = delete;
    consumed& operator=(const consumed&) = delete;

    ~consumed() {
      value_ops_of<T>::destroy(in_.next, count_);
      in_.next += count_ * sizeof(T);
      released_.store(released_.load(std::memory_order_relaxed) + count_,
                      std::memory_order_release);
    }

    /// Nothing was seen after all.
    void withdraw() noexcept { count_ = 0; }

   private:
    read_window& in_;
    std::atomic<std::uint64_t>& released_;
    std::size_t count_;
  };

  template <class T>
  static void service(void* ptr, read_window& in, std::size_t limit,
                      std::atomic<std::uint64_t>& released,
                      const std::atomic<std::uint32_t>& attention,
                      std::uint32_t mask) {
    auto& self = *static_cast<subscriber<T>*>(ptr);
    if (self.takes_batches_) {
      const auto count = static_cast<std::size_t>(in.limit - in.next)
                         / sizeof(T);
      consumed<T> done{in, released, count};
      self.on_values({reinterpret_cast<T*>(in.next), count});
      // The default clears the flag and takes nothing.
      if (!self.takes_batches_)
        done.withdraw();
    }
    if (self.takes_batches_)
      return;
    for (; limit != 0 && in.next != in.limit; --limit) {
      {
        const consumed<T> done{in, released, 1};
        self.on_value(*reinterpret_cast<T*>(in.next));
      }
      if ((attention.load(std::memory_order_relaxed) & mask) != 0)
        return;
    }
  }

  /// Hands over a single value, by whichever hook is overridden.
  template <class T>
  static void hand_over(subscriber<T>& to, T& value) {
    if (to.takes_batches_)
      to.on_values({&value, 1});
    if (!to.takes_batches_)
      to.on_value(value);
  }

  template <class T>
  static bool complete(void* ptr, const failure* error) {
    auto& self = *static_cast<subscriber<T>*>(ptr);
    self.on_complete(error);
    return self.takes_ends_;
  }

  template <class T>
  static constexpr input_ops ops{&service<T>, &complete<T>};
};

} // namespace detail

} // namespace puma
