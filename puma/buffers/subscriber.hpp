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
  /// from is not thrown to the owner. Not overridden (or when the override
  /// calls this one), ends and errors go on to every output.
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
  /// The place in a window while its values are handed over. Its members live
  /// in registers; the window is brought up to date at the end.
  template <class T>
  class progress {
   public:
    progress(read_window& in, std::atomic<std::uint64_t>& released) noexcept
      : in_(in),
        released_(released),
        next_(reinterpret_cast<T*>(in.next)),
        count_(released.load(std::memory_order_relaxed)) {}

    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;

    /// A hook that throws has had its value, too.
    ~progress() {
      if (in_hand_ != 0)
        consume();
      in_.next = reinterpret_cast<std::byte*>(next_);
    }

    T* take(std::size_t count) noexcept {
      in_hand_ = count;
      return next_;
    }

    /// Destroys what the hook has seen, and frees its places.
    void consume() noexcept {
      value_ops_of<T>::destroy(next_, in_hand_);
      next_ += in_hand_;
      count_ += in_hand_;
      in_hand_ = 0;
      released_.store(count_, std::memory_order_release);
    }

    /// The hook has seen nothing after all.
    void put_back() noexcept { in_hand_ = 0; }

   private:
    read_window& in_;
    std::atomic<std::uint64_t>& released_;
    T* next_;
    std::uint64_t count_;
    std::size_t in_hand_ = 0;
  };

  template <class T>
  static void service(void* ptr, read_window& in, std::size_t limit,
                      std::atomic<std::uint64_t>& released,
                      const std::atomic<std::uint32_t>& attention,
                      std::uint32_t mask) {
    auto& self = *static_cast<subscriber<T>*>(ptr);
    const auto there = static_cast<std::size_t>(in.limit - in.next) / sizeof(T);
    progress<T> at{in, released};
    if (self.takes_batches_) {
      self.on_values({at.take(there), there});
      if (self.takes_batches_)
        return;
      at.put_back(); // the default clears the flag and takes nothing
    }
    for (auto n = limit < there ? limit : there; n != 0; --n) {
      self.on_value(*at.take(1));
      at.consume();
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
    self.takes_ends_ = true;
    self.on_complete(error);
    return self.takes_ends_;
  }

  template <class T>
  static constexpr input_ops ops{&service<T>, &complete<T>};
};

} // namespace detail

} // namespace puma
