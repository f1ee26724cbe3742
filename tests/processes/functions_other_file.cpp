// SPDX-License-Identifier: Apache-2.0

#include "tests/processes/functions_test.hpp"

namespace {

class namesake : public puma::single_buffer_servicing_runnable<int> {
 public:
  namesake(std::string name, const puma::buffer<int>& in,
           const puma::buffer<int>& out)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& x) override { out_.publish(x + 100); }

 private:
  puma::publisher<int> out_;
};

} // namespace

namespace puma_test {

puma::runner run_namesake_of_other_file(const puma::environment& env,
                                        const puma::buffer<int>& in,
                                        const puma::buffer<int>& out) {
  return env.run<namesake>(std::string{"namesake"}, in, out);
}

puma::runner run_lambda_of_other_file(const puma::environment& env,
                                      const puma::buffer<int>& in,
                                      const puma::buffer<int>& out) {
  return env.run(
    puma::transform("lambda", in, out, [](int x) { return x + 100; }));
}

} // namespace puma_test
