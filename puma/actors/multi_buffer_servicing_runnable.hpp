// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runnable.hpp"
#include "puma/buffers/subscriber.hpp"

#include <string>
#include <utility>

namespace puma {

/// Services any number of inputs, each routed to a subscriber; one subscriber
/// may serve several. Ends when all inputs have completed.
///
/// *Failure.* Without any input after `on_start` it fails. An error that
/// arrives on an input ends it at once.
class multi_buffer_servicing_runnable : public runnable {
 public:
  explicit multi_buffer_servicing_runnable(std::string name)
    : runnable(std::move(name)) {
    if (is_hosted())
      detail::require_input(host());
  }

 protected:
  /// Routes `input` to `to`, which must live as long as this runnable. To be
  /// called in the constructor or from a hook; the same input twice is a
  /// `usage_error`.
  template <class T>
  void add_input(const buffer<T>& input, subscriber<T>& to) {
    check_scope("add_input");
    detail::add_input(host(), input.core(), detail::subscriber_access::ops<T>,
                      &to);
  }
};

} // namespace puma
