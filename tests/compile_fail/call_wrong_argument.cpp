// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/actors/runner.hpp"

class door : public puma::command_driven_runnable {
 public:
  using command_driven_runnable::command_driven_runnable;

  void open(int speed);
  void measure(int& width);
};

class window {
 public:
  void close();
};

void use(puma::runner& x, const puma::remote<door>& y) {
  static_cast<void>(x), static_cast<void>(y);
  x.call<&door::open>("now");
}
