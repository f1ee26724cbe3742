// SPDX-License-Identifier: Apache-2.0

#include "tests/compile_fail/handing_over.hpp"

class idle : public puma::command_driven_runnable {
 public:
  explicit idle(int number) : command_driven_runnable("idle") {
    number_.set(number);
  }
  auto attributes() { return puma::attribute_list(number_); }

 private:
  puma::copied<int> number_{"number"};
};

template void hand_over(const puma::environment&, const std::shared_ptr<idle>&);
