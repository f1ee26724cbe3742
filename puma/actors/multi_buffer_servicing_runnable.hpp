// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runnable.hpp"
#include "puma/buffers/subscriber.hpp"

#include <cstddef>
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
  /// `usage_error`. Returns the number of the input, counted from 0.
  template <class T>
  std::size_t add_input(const buffer<T>& input, subscriber<T>& to) {
    check_scope("add_input");
    return detail::add_input(host(), input.core(),
                             detail::subscriber_access::ops<T>, &to);
  }

  /// Lets an input rest: after the running hook neither values of it nor its
  /// end are handed over, until `resume_input`. Its values wait in the buffer,
  /// and whoever publishes there is slowed down once that is full. To be called
  /// in the constructor or from a hook, and harmless for one that rests;
  /// a number that `add_input` has not returned is a `usage_error`.
  ///
  /// An input that rests is not over: do not let all of them rest unless a
  /// call, or a tick, resumes one.
  void hold_input(std::size_t number) {
    check_scope("hold_input");
    detail::hold_input(host(), number);
  }

  /// Hands over what has come meanwhile, and so on.
  void resume_input(std::size_t number) {
    check_scope("resume_input");
    detail::resume_input(host(), number);
  }
};

} // namespace puma
