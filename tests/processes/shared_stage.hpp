// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/puma.hpp"

#include <string>

namespace puma_test {

/// A runnable out of a shared library; adds 1000.
class shared_stage : public puma::single_buffer_servicing_runnable<int> {
 public:
  shared_stage(std::string name, const puma::buffer<int>& in,
               const puma::buffer<int>& out);

 protected:
  void on_value(int& x) override;

 private:
  puma::publisher<int> out_;
};

/// Starts one from within the library.
puma::runner run_in_shared_library(const puma::environment& env,
                                   const puma::buffer<int>& in,
                                   const puma::buffer<int>& out);

/// Adds 10000.
puma::runner run_lambda_in_shared_library(const puma::environment& env,
                                          const puma::buffer<int>& in,
                                          const puma::buffer<int>& out);

} // namespace puma_test
