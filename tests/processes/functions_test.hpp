// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/puma.hpp"

#include <memory>
#include <string>
#include <utility>

namespace puma_test {

/// What has the same name as something in functions_test.cpp, but adds 100.
puma::runner run_namesake_of_other_file(const puma::environment& env,
                                        const puma::buffer<int>& in,
                                        const puma::buffer<int>& out);
puma::runner run_lambda_of_other_file(const puma::environment& env,
                                      const puma::buffer<int>& in,
                                      const puma::buffer<int>& out);

/// Its values cannot cross.
class passing_shared
  : public puma::single_buffer_servicing_runnable<std::shared_ptr<int>> {
 public:
  passing_shared(std::string name, const puma::buffer<std::shared_ptr<int>>& in)
    : single_buffer_servicing_runnable(std::move(name), in) {}

 protected:
  void on_value(std::shared_ptr<int>& x) override { ++*x; }
};

} // namespace puma_test
