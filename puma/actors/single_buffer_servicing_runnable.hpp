// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/multi_buffer_servicing_runnable.hpp"

#include <string>
#include <utility>

namespace puma {

/// Services one input through its own hooks: override `on_value`, or
/// `on_values` for batches, and `on_complete` where the end matters.
// The subscriber is the first base, because its hooks are called per value and
// need no adjustment of `this` then.
template <class T>
class single_buffer_servicing_runnable
  : protected subscriber<T>,
    public multi_buffer_servicing_runnable {
 public:
  single_buffer_servicing_runnable(std::string name, const buffer<T>& input)
    : multi_buffer_servicing_runnable(std::move(name)) {
    add_input(input, static_cast<subscriber<T>&>(*this));
  }

  /// For those that get to know their input later: `on_start` is to declare it
  /// with `add_input(input, *this)`.
  explicit single_buffer_servicing_runnable(std::string name)
    : multi_buffer_servicing_runnable(std::move(name)) {}
};

} // namespace puma
