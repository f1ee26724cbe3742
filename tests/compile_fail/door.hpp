// SPDX-License-Identifier: Apache-2.0

#pragma once

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
