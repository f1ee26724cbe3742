// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/main_options.hpp"

#include "puma/base/error.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace puma::internal {

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
    if (arg != "--puma-help" && arg.find('=') == std::string_view::npos
        && i + 1 < argc)
      ours.emplace_back(argv[++i]);
  }

  CLI::App app{"Options of puma, for any application that is built on it",
               "APPLICATION"};
  app.set_help_flag("--puma-help", "Shows these options and ends");
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
  std::reverse(ours.begin(), ours.end()); // as CLI11 wants it
  try {
    app.parse(ours);
  } catch (const CLI::CallForHelp&) {
    result.help = app.help();
  } catch (const CLI::ParseError& error) {
    throw usage_error{std::string{"command line: "} + error.what()
                      + "; --puma-help lists puma's options"};
  }
  for (auto x : levels)
    if (to_string(x) == level)
      result.level = x;
  result.drain_timeout = std::chrono::milliseconds{
    static_cast<std::chrono::milliseconds::rep>(drain_seconds * 1000)};
  return result;
}

} // namespace puma::internal
