// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/runnable.hpp"

namespace puma {

/// A runnable without inputs, which acts only when called upon. It lives until
/// it is stopped.
class command_driven_runnable : public runnable {
 public:
  using runnable::runnable;
};

} // namespace puma
