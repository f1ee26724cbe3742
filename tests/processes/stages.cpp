// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/stages.hpp"

#include <unistd.h>

namespace puma_test {

telling_process::telling_process(std::string name, const puma::buffer<int>& out)
  : command_driven_runnable(std::move(name)),
    out_(publish_to(out)) {}

void telling_process::on_start() {
  out_.publish(::getpid());
  out_.close();
}

} // namespace puma_test
