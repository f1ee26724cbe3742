// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/output_list.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace puma {

/// A buffer that gets all values of a `multicaster`, and what to do with those
/// for which it has no room.
template <class T>
struct multicast_output {
  buffer<T> to;
  puma::when_full when_full = puma::when_full::block;

  friend void collect_buffers(std::vector<detail::buffer_core_ptr>& all,
                              const std::vector<multicast_output>& outputs) {
    for (auto& x : outputs)
      all.push_back(x.to.shared_core());
  }
};

/// Copies each value of its input to every output:
///
///     auto cast = env.run<multicaster<frame>>("cast", frames,
///                                             std::vector{shown, stored});
///     cast.call<&multicaster<frame>::add_output>(checked, when_full::warn);
///
/// The last output gets the value itself, so one output costs no copy, and n
/// cost n - 1. What is expensive to copy, or cannot be copied, is best sent as
/// `std::shared_ptr<const T>`: then all outputs in one process share it.
///
/// *Full outputs.* Each output has a policy. One that blocks holds back all,
/// once it is full. One that fails ends the multicaster with `buffer_full`: the
/// others still get the value that was too much for it, and then, as all
/// outputs do, the error; later values stay in the input. Values that others
/// drop are counted by their buffer.
///
/// *Ends.* Completion and errors of the input go to all outputs, also to full
/// ones. An output whose stream others have ended is left out from then on.
/// Without outputs, values are discarded and counted.
///
/// *Restarts.* A successor has the outputs with which the multicaster was
/// started.
template <class T>
class multicaster : public single_buffer_servicing_runnable<T> {
  static_assert(detail::can_copy<T>,
                "multicaster: each output gets a copy of the values, so they "
                "must be copyable; send others as std::shared_ptr<const T>");

 public:
  using value_type = T;

  /// All `outputs` have the same policy.
  multicaster(std::string name, const buffer<T>& in,
              const std::vector<buffer<T>>& outputs = {},
              when_full how = when_full::block)
    : single_buffer_servicing_runnable<T>(std::move(name), in) {
    for (auto& x : outputs)
      add_output(x, how);
  }

  multicaster(std::string name, const buffer<T>& in,
              const std::vector<multicast_output<T>>& outputs)
    : single_buffer_servicing_runnable<T>(std::move(name), in) {
    for (auto& x : outputs)
      add_output(x.to, x.when_full);
  }

  // -- to be called through the runner ----------------------------------------

  /// Adds an output, which gets all values from now on. Throws `usage_error`
  /// for one that it has already, and for a buffer whose stream has ended.
  void add_output(const buffer<T>& to, when_full how) {
    outputs_.check_new(to);
    outputs_.add(
      to, this->publish_to(to, {.when_full = how, .outbox = unlimited_outbox}),
      {});
    one_by_one_ = one_by_one_ || how == when_full::fail
                  || detail::may_wait(this->host());
    discarding_ = false;
  }

  /// Removes an output, and completes its stream; to add the same buffer again
  /// later, keep a publisher of it open meanwhile. Throws `usage_error` for a
  /// buffer that is no output.
  void remove_output(const buffer<T>& to) { outputs_.remove(to); }

  [[nodiscard]] std::size_t output_count() const { return outputs_.count(); }

  /// Returns how many values came while there was no output.
  [[nodiscard]] std::uint64_t discarded() const { return discarded_; }

 protected:
  void on_values(std::span<T> values) override {
    // In batches nobody may fail, because the values behind the one in hand
    // would be gone with it; nor wait, because the other outputs would.
    if (one_by_one_) {
      subscriber<T>::on_values(values); // asks for `on_value`, for good
      return;
    }
    const auto count = outputs_.size();
    if (count == 0) {
      discard(values.size());
      return;
    }
    const auto in_use = outputs_.use();
    for (std::size_t i = 0; i != count; ++i) {
      auto& to = outputs_[i];
      const bool is_last = i + 1 == count;
      for (auto& x : values)
        if (give(to, x, is_last) == publish_result::closed)
          break;
    }
  }

  void on_value(T& value) override {
    const auto count = outputs_.size();
    if (count == 0) {
      discard(1);
      return;
    }
    std::exception_ptr refused;
    const auto in_use = outputs_.use();
    for (std::size_t i = 0; i != count; ++i) {
      try {
        give(outputs_[i], value, i + 1 == count);
      } catch (const buffer_full&) {
        // The others shall have the value before this ends.
        if (!refused)
          refused = std::current_exception();
      }
    }
    if (refused)
      std::rethrow_exception(refused);
  }

 private:
  struct nothing {};

  using output_list = detail::output_list<T, nothing>;

  publish_result give(typename output_list::entry& to, T& value, bool is_last) {
    return is_last ? outputs_.send(to, std::move(value))
                   : outputs_.send(to, T(std::as_const(value)));
  }

  void discard(std::size_t count) {
    discarded_ += count;
    if (!std::exchange(discarding_, true))
      this->log().debug("has no outputs: values are discarded");
  }

  output_list outputs_{*this};
  bool one_by_one_ = false;
  bool discarding_ = false; // and that has been logged
  std::uint64_t discarded_ = 0;
};

} // namespace puma
