// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/main.hpp"

#include "benchmarks/puma_bench/options.hpp"
#include "benchmarks/puma_bench/report.hpp"

#include <exception>
#include <iostream>

int main(int argc, char** argv) {
  if (const auto code = puma::run_as_worker(argc, argv))
    return *code;
  int exit_code = 0;
  const auto asked = puma_bench::parse(argc, argv, exit_code);
  if (!asked)
    return exit_code;
  if (!asked->what) {
    std::cout << puma_bench::skipped(asked->name, "unknown workload") << '\n';
    return 0;
  }
  try {
    for (unsigned i = 0; i != asked->repeat; ++i) {
      const auto shown = asked->what->run(asked->given);
      std::cout << puma_bench::to_json(asked->name, asked->given, shown)
                << std::endl;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "puma-bench: " << asked->name << ": " << error.what() << '\n';
    return 1;
  }
}
