// SPDX-License-Identifier: Apache-2.0

#include "tests/compile_fail/handing_over.hpp"

class idle : public puma::command_driven_runnable {
 public:
  idle() : command_driven_runnable("idle") {}
};

template void hand_over(const puma::environment&, const std::shared_ptr<idle>&);
