// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/main.hpp"

#include "puma/actors/exit_record.hpp"
#include "puma/environments/internal/main_options.hpp"
#include "puma/environments/internal/node_session.hpp"
#include "puma/environments/internal/runtime_core.hpp"
#include "puma/environments/internal/signal_watch.hpp"
#include "puma/environments/internal/worker.hpp"
#include "puma/logging/logging.hpp"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace puma::detail {

namespace {

constexpr const char* logger = "puma.main";

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

void report(const std::exception& error) {
  // What the runtime threw on behalf of a runnable tells where it came from.
  const auto origin = current_failure();
  log(log_level::error, logger,
      origin ? exit_record::of(*origin).to_string()
             : std::string{error.what()});
}

bool parse(int argc, const char* const* argv, internal::main_options& to) {
  try {
    to = internal::parse_main_options(argc, argv);
    return true;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return false;
  }
}

bool configure_log(const internal::main_options& options) {
  try {
    if (!options.log_config.empty())
      logging::configure(options.log_config);
    if (options.level)
      set_log_level(*options.level);
    return true;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return false;
  }
}

} // namespace

/// Serves as a node if the command line, or a file of options, says so.
static std::optional<int> run_as_node(int argc, const char* const* argv) {
  const bool may_be_meant = std::any_of(argv, argv + argc, [](const char* x) {
    const std::string_view option{x};
    return option.starts_with("--puma-node")
           || option.starts_with("--puma-config");
  });
  if (!may_be_meant)
    return std::nullopt;
  internal::main_options options;
  if (!parse(argc, argv, options))
    return exit_usage;
  if (!options.node) // it is not in the file, or behind a lone `--`
    return std::nullopt;
  if (!configure_log(options))
    return exit_usage;
  return internal::run_agent(std::move(*options.node));
}

namespace {

int run_body(runtime& rt, const std::function<int(runtime&)>& body) {
  try {
    return body(rt);
  } catch (const std::exception& error) {
    report(error);
  } catch (...) {
    log(log_level::error, logger, "an unknown exception left the application");
  }
  return exit_failure;
}

} // namespace

int run_main(int argc, char** argv, const std::function<int(runtime&)>& body) {
  if (const auto code = run_as_worker(argc, argv))
    return *code;
  internal::main_options options;
  if (!parse(argc, argv, options))
    return exit_usage;
  if (!options.help.empty()) {
    std::cout << options.help;
    return 0;
  }
  if (!configure_log(options))
    return exit_usage;
  // Before the first thread: all threads inherit the blocked signals.
  internal::signal_watch signals;
  auto owned = std::make_unique<internal::runtime_core>(options.runtime);
  auto& core = *owned;
  core.args = std::move(options.args);
  core.credentials = std::move(options.credentials);
  core.set_placement(std::move(options.placement));
  runtime rt{std::move(owned)};
  signals.start(rt, options.drain_timeout);
  auto result = run_body(rt, body);
  const bool down = core.shut_down();
  signals.stop();
  while (auto error = core.all().claim_any()) {
    log(log_level::error, logger,
        "nobody was told of this error: "
          + exit_record::of(*error).to_string());
    if (result == 0)
      result = exit_failure;
  }
  if (!down) {
    // Threads that are still inside of user code must not meet the destructors
    // of static objects.
    std::cout.flush();
    logging::flush();
    std::_Exit(result != 0 ? result : exit_failure);
  }
  return result;
}

} // namespace puma::detail

namespace puma {

std::optional<int> run_as_worker(int argc, const char* const* argv) {
  try {
    const auto options = internal::worker_options::parse(argc, argv);
    internal::allow_workers();
    if (options)
      return internal::run_worker(*options);
    if (const auto session = internal::session_options::parse(argc, argv))
      return internal::run_session(*session);
    return detail::run_as_node(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return detail::exit_usage;
  }
}

} // namespace puma
