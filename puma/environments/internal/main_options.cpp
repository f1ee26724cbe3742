// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/main_options.hpp"

#include "puma/base/error.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace puma::internal {

namespace {

constexpr std::size_t longest_token = 1024;

bool is_flag(std::string_view x) {
  return x == "--puma-help" || x == "--puma-insecure";
}

/// A command line can be read by everybody on the host.
std::string read_token(const std::string& path) {
  std::ifstream in{path};
  std::string result;
  if (!in || !std::getline(in, result) || result.empty()
      || result.size() > longest_token)
    throw usage_error{"command line: --puma-token-file: '" + path
                      + "' does not begin with a line of 1 to "
                      + std::to_string(longest_token) + " characters"};
  return result;
}

} // namespace

main_options parse_main_options(int argc, const char* const* argv) {
  main_options result;
  std::vector<std::string> ours;
  bool all_theirs = false;
  for (int i = 0; i < argc; ++i) {
    const std::string_view arg = argv[i];
    all_theirs = all_theirs || arg == "--";
    if (all_theirs || i == 0 || !arg.starts_with("--puma-")) {
      result.args.emplace_back(arg);
      continue;
    }
    ours.emplace_back(arg);
    if (!is_flag(arg) && arg.find('=') == std::string_view::npos
        && i + 1 < argc)
      ours.emplace_back(argv[++i]);
  }

  CLI::App app{"Options of puma, for any application that is built on it",
               "APPLICATION"};
  app.set_help_flag("--puma-help", "Shows these options and ends");
  app.set_config("--puma-config", "",
                 "File with these options, a line name=value each; those of "
                 "the command line count more");
  app.allow_config_extras(CLI::config_extras_mode::error);
  double drain_seconds = 10;
  constexpr log_level levels[] = {
    log_level::trace, log_level::debug,    log_level::info, log_level::warning,
    log_level::error, log_level::critical, log_level::off};
  std::set<std::string> level_names;
  for (auto x : levels)
    level_names.emplace(to_string(x));
  std::string level;
  app
    .add_option("--puma-threads", result.runtime.threads,
                "Scheduler threads; 0 stands for one per core")
    ->check(CLI::Range(0, 1024));
  app
    .add_option("--puma-log-level", level,
                "Least severe lines to write, whatever is configured")
    ->check(CLI::IsMember(level_names));
  app.add_option("--puma-log-config", result.log_config,
                 "Configuration of the log output: development, production or "
                 "a YAML file");
  app
    .add_option("--puma-drain-timeout", drain_seconds,
                "Seconds that values get to flow out after SIGINT or SIGTERM")
    ->check(CLI::Range(0.0, 86'400.0));
  std::string node;
  std::string token_file;
  auto& own = result.credentials;
  app.add_option(
    "--puma-node", node,
    "Serves as a node at this address, such as tls://0.0.0.0:4711, "
    "instead of running the application; port 0 takes a free one");
  app.add_option(
    "--puma-cert", own.certificate,
    "PEM file with the certificate that this side shows to others");
  app.add_option("--puma-key", own.key, "PEM file with its private key");
  app.add_option("--puma-ca", own.ca,
                 "PEM file with the CA that has signed the others'");
  app.add_option("--puma-token-file", token_file,
                 "File whose first line is the secret of the cluster");
  std::string placement_file;
  std::vector<std::string> rules;
  app.add_option(
    "--puma-placement", placement_file,
    "YAML file with nodes, groups, and which runnables start where");
  app
    .add_option("--puma-place", rules,
                "PATTERN=PLACE: runnables whose name fits start in this place, "
                "whatever the program says; may be repeated")
    ->allow_extra_args(false);
  app.add_flag("--puma-insecure", own.insecure,
               "Allows tcp:// addresses: no secrets, no certificates");
  std::reverse(ours.begin(), ours.end()); // as CLI11 wants it
  try {
    app.parse(ours);
  } catch (const CLI::CallForHelp&) {
    result.help = app.help();
  } catch (const CLI::ParseError& error) {
    throw usage_error{std::string{"command line: "} + error.what()
                      + "; --puma-help lists puma's options"};
  }
  if (!token_file.empty())
    own.token = read_token(token_file);
  if (!placement_file.empty())
    result.placement = placement_config::load(placement_file);
  for (auto i = rules.rbegin(); i != rules.rend(); ++i)
    result.placement.add_rule(*i); // each goes in front of the ones before
  result.placement.check();
  if (!node.empty()) {
    auto& agent = result.node.emplace();
    agent.where = net_address::parse(node);
    agent.files = {own.certificate, own.key, own.ca};
    agent.token = own.token;
    agent.insecure = own.insecure;
  }
  for (auto x : levels)
    if (to_string(x) == level)
      result.level = x;
  result.drain_timeout = std::chrono::milliseconds{
    static_cast<std::chrono::milliseconds::rep>(drain_seconds * 1000)};
  return result;
}

} // namespace puma::internal
