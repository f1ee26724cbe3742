// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/options.hpp"

#include <CLI/CLI.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace puma_bench {

namespace {

constexpr int exit_usage = 2;

/// A way to call the program.
struct convention {
  CLI::App app;
  command result;
  std::string environment;

  convention(const std::string& text, const std::string& name)
    : app(text, name) {}
};

/// Accepts what makes sense. The upper limit refuses negative numbers, too, of
/// which CLI11 makes very large ones.
CLI::Range between(std::uint64_t least, std::uint64_t most) {
  return CLI::Range(least, most);
}

CLI::Range item_count() {
  return between(1, 1'000'000'000'000);
}

std::string names() {
  std::string result;
  for (const auto& x : workloads())
    result += (result.empty() ? "" : ", ") + std::string{x.name};
  return result;
}

/// Takes the suffix of `pipe3_1m_c16` for the capacity.
void split_name(const std::string& name, command& to) {
  const auto at = name.rfind("_c");
  const auto digits = at == name.npos ? "" : name.substr(at + 2);
  if (!digits.empty() && digits.size() <= 9
      && digits.find_first_not_of("0123456789") == digits.npos
      && std::stoul(digits) != 0) {
    to.given.capacity = std::stoul(digits);
    to.what = find_workload(std::string_view{name}.substr(0, at));
  } else {
    to.what = find_workload(name);
  }
}

void add_capacity(convention& to) {
  to.app
    .add_option("--capacity", to.result.given.capacity,
                "Capacity of each buffer, in values")
    ->envname("BENCH_CAP")
    ->check(between(1, 1'000'000'000))
    ->capture_default_str();
}

/// puma-bench WORKLOAD [OPTIONS]
void declare_own(convention& to) {
  auto& [app, result, environment] = to;
  app.add_option("workload", result.name, "What to run")->required();
  app
    .add_option("--items", result.given.items,
                "Number of values, of hops or of runnables; the default "
                "depends on the workload")
    ->check(item_count());
  add_capacity(to);
  app
    .add_option("--payload", result.given.payload,
                "Bytes of one value, for pipe3_1k and pipe3_1m")
    ->check(between(1, 1'000'000'000));
  app.add_option("--env", environment,
                 "Where the runnables run: thread, process, or node=ADDRESS, "
                 "where puma-bench --puma-node ADDRESS has been started");
  app.add_option("--cert", result.given.certificate,
                 "PEM file with the certificate for a tls:// node");
  app.add_option("--key", result.given.key, "PEM file with its key");
  app.add_option("--ca", result.given.ca, "PEM file with the CA of the node");
  app
    .add_option("--threads", result.given.threads,
                "Scheduler threads; 0 for one per core")
    ->check(between(0, 1024))
    ->capture_default_str();
  app.add_option("--repeat", result.repeat, "Number of runs")
    ->check(between(1, 1'000'000))
    ->capture_default_str();
  app.footer(
    "Workloads: " + names()
    + ". With a capacity as their suffix, such as pipe3_1m_c16, they run with "
      "that. The peers' way is understood as well: puma-bench puma WORKLOAD "
      "[ITEMS]");
}

/// puma-bench puma WORKLOAD [ITEMS]
void declare_peers(convention& to) {
  to.app.add_option("workload", to.result.name, "What to run")->required();
  to.app.add_option("items", to.result.given.items, "Number of values")
    ->check(item_count());
  add_capacity(to);
}

/// Adds what the workload says, unless the command line did.
void complete(command& x, const std::string& environment) {
  split_name(x.name, x);
  if (!x.what)
    return;
  constexpr std::string_view node = "node=";
  const bool is_node = environment.starts_with(node);
  if (!environment.empty() && !is_node && environment != "thread"
      && environment != "process")
    throw CLI::ValidationError{"--env",
                               "neither thread, process nor "
                               "node=ADDRESS"};
  if (is_node)
    x.given.node = environment.substr(node.size());
  if (!environment.empty() && !x.what->fixed_environment.empty()
      && !(is_node && x.what->has_other_side))
    throw CLI::ValidationError{
      "--env", x.name + " " + std::string{x.what->fixed_environment}};
  x.given.processes = is_node || environment == "process";
  if (x.given.items == 0)
    x.given.items = x.what->items;
  if (x.given.payload == 0)
    x.given.payload = x.what->payload;
  else if (x.what->payload == 0)
    throw CLI::ValidationError{"--payload",
                               "the values of " + x.name + " are integers"};
}

} // namespace

std::optional<command> parse(int argc, char** argv, int& exit_code) {
  const auto as_peer = argc > 1 && argv[1] == std::string_view{"puma"};
  convention chosen{as_peer ? "Runs one workload of puma, as the peers do"
                            : "Measures puma under one workload, and prints "
                              "a line of JSON for each run",
                    as_peer ? "puma-bench puma" : "puma-bench"};
  if (as_peer) {
    declare_peers(chosen);
    --argc;
    ++argv;
  } else {
    declare_own(chosen);
  }
  try {
    chosen.app.parse(argc, argv);
    complete(chosen.result, chosen.environment);
    if (!chosen.result.what && !as_peer)
      throw CLI::ValidationError{"workload", "no '" + chosen.result.name
                                               + "'; there are " + names()};
    return chosen.result;
  } catch (const CLI::CallForHelp&) {
    std::cout << chosen.app.help();
    exit_code = 0;
  } catch (const CLI::ParseError& error) {
    std::cerr << "puma-bench: " << error.what() << "; see puma-bench --help\n";
    exit_code = exit_usage;
  }
  return std::nullopt;
}

} // namespace puma_bench
