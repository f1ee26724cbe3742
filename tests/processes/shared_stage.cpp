// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/shared_stage.hpp"

#include <utility>

namespace puma_test {

shared_stage::shared_stage(std::string name, const puma::buffer<int>& in,
                           const puma::buffer<int>& out)
  : single_buffer_servicing_runnable(std::move(name), in),
    out_(publish_to(out)) {}

void shared_stage::on_value(int& x) {
  out_.publish(x + 1000);
}

puma::runner run_in_shared_library(const puma::environment& env,
                                   const puma::buffer<int>& in,
                                   const puma::buffer<int>& out) {
  return env.run<shared_stage>(std::string{"inside"}, in, out);
}

puma::runner run_lambda_in_shared_library(const puma::environment& env,
                                          const puma::buffer<int>& in,
                                          const puma::buffer<int>& out) {
  return env.run(
    puma::transform("lambda", in, out, [](int x) { return x + 10'000; }));
}

} // namespace puma_test
