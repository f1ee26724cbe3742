// SPDX-License-Identifier: Apache-2.0
//
// Counts the words in all text files under a directory.
// Run:      ./word_count DIRECTORY [--counters N] [--env process] (--help tells
// more) Expected: lines of a count and a word, the most frequent word first

#include "word_count/files.hpp"
#include "word_count/pipeline.hpp"
#include <puma/puma.hpp>

#include <CLI/CLI.hpp>

#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace {

constexpr auto description
  = "Counts the words in all regular files under a directory, and prints the "
    "most frequent ones as 'COUNT WORD'.\n\n"
    "A word is a run of ASCII letters, in lower case. Symbolic links are not "
    "followed. A file with a NUL byte in its first 64 KiB is binary and "
    "skipped.\n\n"
    "Exit codes: 0 all counted, or all that was read before an interruption; 1 "
    "something is missing in the result (stderr tells what); 2 wrong "
    "arguments.";

struct options {
  std::string directory;
  std::string environment = "thread";
  word_count::pipeline_options pipeline;
};

/// Returns nothing but an exit code when there is nothing to do.
std::optional<options> parse(const std::vector<std::string>& args, int& code) {
  options result;
  CLI::App app{description, "word_count"};
  app.add_option("DIRECTORY", result.directory, "Where to look for files")
    ->required();
  app
    .add_option("--counters", result.pipeline.counters,
                "Counting runnables, and as many that split")
    ->check(CLI::Range(1, 1000))
    ->capture_default_str();
  app.add_option("--top", result.pipeline.top, "Words to print; 0 prints all")
    ->check(CLI::NonNegativeNumber)
    ->capture_default_str();
  app
    .add_option(
      "--capacity", result.pipeline.capacity,
      "Values that each buffer holds, blocks of 64 KiB or their words")
    ->check(CLI::Range(1, 1'000'000))
    ->capture_default_str();
  app
    .add_option("--env", result.environment,
                "Where the runnables run: thread, process, or a node or group "
                "of --puma-placement")
    ->capture_default_str();
  try {
    // CLI11 takes them in reverse, and without the program's name.
    app.parse(std::vector<std::string>{args.rbegin(), args.rend() - 1});
    return result;
  } catch (const CLI::ParseError& error) {
    code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
}

// [environment]
puma::named_environment make_environment(puma::runtime& rt,
                                         const std::string& name) {
  // `thread`; `process`: each runnable in a process of its own; or a node, or a
  // group of nodes, that the placement names.
  return rt.environment(name);
}
// [environment]

/// Returns the exit code.
int print(const word_count::summary& result, const word_count::file_list& files,
          bool interrupted) {
  for (const auto& x : result.words.top)
    std::cout << x.count << ' ' << x.word << '\n';
  std::cout.flush();

  const auto failed = result.files_failed + files.failures.size();
  if (!result.complete)
    std::cerr << "word_count: interrupted: the result is partial, of "
              << result.files_done() << " of " << files.paths.size()
              << " files\n";
  std::cerr << "word_count: " << result.files_read << " files read, "
            << result.files_skipped << " skipped, " << failed << " failed, "
            << files.left_out << " links and special files left "
            << "out; " << result.words.words << " words, "
            << result.words.different_words << " different\n";
  if (!std::cout) {
    std::cerr << "word_count: could not write the result\n";
    return 1;
  }
  // Who interrupts it gets what there was: that is no error.
  return failed == 0 && (result.complete || interrupted) ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    int code = 0;
    const auto options = parse(rt.args(), code);
    if (!options)
      return code;

    word_count::file_list files;
    try {
      files = word_count::find_files(options->directory);
    } catch (const std::system_error& error) {
      std::cerr << "word_count: " << options->directory << ": "
                << error.code().message() << '\n';
      return 2;
    }

    std::optional<puma::named_environment> env;
    try {
      env = make_environment(rt, options->environment);
    } catch (const puma::usage_error& error) {
      std::cerr << "word_count: " << error.what() << '\n';
      return 2;
    }
    const auto result = run_pipeline(rt, *env, files, options->pipeline);
    return print(result, files, rt.is_draining());
  });
}
