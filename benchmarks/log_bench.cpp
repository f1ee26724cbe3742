// SPDX-License-Identifier: Apache-2.0

// The log output beside spdlog's asynchronous logger in one process: what a
// call costs, and how many lines a second two writers get into one file. Prints
// one JSON line per figure; the rounds of both take turns.

#include "puma/puma.hpp"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using steady = std::chrono::steady_clock;

// As many as fit in the queues of both.
constexpr int lines_per_burst = 2'000;
constexpr int warm_up_rounds = 25;
constexpr auto pause_between = std::chrono::milliseconds{30};

double seconds_since(steady::time_point begin) {
  return std::chrono::duration<double>(steady::now() - begin).count();
}

/// Logs bursts on demand, and tells the nanoseconds per call.
class bursts : public puma::single_buffer_servicing_runnable<int> {
 public:
  bursts(const puma::buffer<int>& in, const puma::buffer<double>& out)
    : single_buffer_servicing_runnable("bursts", in),
      out_(publish_to(out)) {}

 protected:
  void on_value(int& lines) override {
    const auto begin = steady::now();
    for (int i = 0; i != lines; ++i)
      log().info("line {} of {}", i, lines);
    out_.publish(seconds_since(begin) * 1e9 / lines);
  }

 private:
  puma::publisher<double> out_;
};

/// Logs a number of lines when it is told to.
class flood : public puma::single_buffer_servicing_runnable<int> {
 public:
  flood(std::string name, const puma::buffer<int>& in)
    : single_buffer_servicing_runnable(std::move(name), in) {}

 protected:
  void on_value(int& lines) override {
    for (int i = 0; i != lines; ++i)
      log().info("line {} of {}", i, lines);
  }
};

struct series {
  const char* what;
  const char* unit;
  std::vector<double> values = {};

  void print() {
    std::sort(values.begin(), values.end());
    std::printf(
      "{\"what\":\"%s\",\"unit\":\"%s\",\"median\":%.1f,"
      "\"least\":%.1f,\"most\":%.1f,\"rounds\":%zu}\n",
      what, unit, values[values.size() / 2], values.front(), values.back(),
      values.size());
  }
};

std::uint64_t lines_in(const std::string& file) {
  std::ifstream in{file};
  return static_cast<std::uint64_t>(
    std::count(std::istreambuf_iterator<char>{in},
               std::istreambuf_iterator<char>{}, '\n'));
}

void check_lines(const std::string& file, std::uint64_t expected) {
  const auto found = lines_in(file);
  if (found != expected)
    throw std::runtime_error{file + ": has " + std::to_string(found)
                             + " lines instead of " + std::to_string(expected)};
}

std::shared_ptr<spdlog::logger> make_spdlog(const std::string& file) {
  spdlog::init_thread_pool(8'192, 1);
  auto result = std::make_shared<spdlog::async_logger>(
    "bursts", std::make_shared<spdlog::sinks::basic_file_sink_mt>(file, true),
    spdlog::thread_pool(), spdlog::async_overflow_policy::block);
  result->set_pattern("%Y-%m-%d %H:%M:%S.%f %l [%P/%t] %n: %v");
  return result;
}

void run(puma::runtime& rt, const std::string& directory, int rounds,
         int flood_lines) {
  const auto puma_file = directory + "/puma.log";
  const auto spdlog_file = directory + "/spdlog.log";
  puma::logging::configure(puma::logging::yaml{
    "queue: {bytes: 4194304, wait_ms: 10000}\n"
    "handlers: {file: {class: file, mode: truncate, filename: "
    + puma_file + "}}\nroot: {level: info, handlers: [file]}\n"});
  const puma::process_environment env{rt};
  const auto demands = env.make_buffer<int>("demands", 4);
  const auto results = env.make_buffer<double>("results", 4);
  auto burster = env.run<bursts>(demands, results);
  auto demand = demands.open_publisher();
  auto result = results.subscribe();
  auto direct = make_spdlog(spdlog_file);

  series call{"log call in a worker", "ns"};
  series spdlog_call{"spdlog async call", "ns"};
  series ratio{"log call / spdlog async call", "1"};
  // Until all pages of both queues have been used once.
  for (int i = 0; i != warm_up_rounds; ++i) {
    demand.publish(lines_per_burst);
    static_cast<void>(result.next());
    for (int j = 0; j != lines_per_burst; ++j)
      direct->info("line {} of {}", j, lines_per_burst);
    std::this_thread::sleep_for(pause_between);
  }
  for (int i = 0; i != rounds; ++i) {
    demand.publish(lines_per_burst);
    call.values.push_back(*result.next());
    std::this_thread::sleep_for(pause_between);
    const auto begin = steady::now();
    for (int j = 0; j != lines_per_burst; ++j)
      direct->info("line {} of {}", j, lines_per_burst);
    spdlog_call.values.push_back(seconds_since(begin) * 1e9 / lines_per_burst);
    std::this_thread::sleep_for(pause_between);
    ratio.values.push_back(call.values.back() / spdlog_call.values.back());
  }
  puma::logging::flush();
  check_lines(puma_file, static_cast<std::uint64_t>(warm_up_rounds + rounds)
                           * lines_per_burst);
  demand.complete();
  burster.join();

  series lines{"lines of two workers in one file", "1/s"};
  series spdlog_lines{"spdlog async, lines of two threads", "1/s"};
  for (int i = 0; i != rounds / 4 + 1; ++i) {
    const auto to_a = env.make_buffer<int>("to a", 4);
    const auto to_b = env.make_buffer<int>("to b", 4);
    auto a = env.run<flood>("a", to_a);
    auto b = env.run<flood>("b", to_b);
    a.wait_until_running();
    b.wait_until_running();
    auto first = to_a.open_publisher();
    auto second = to_b.open_publisher();
    const auto before = lines_in(puma_file);
    auto begin = steady::now();
    first.publish(flood_lines);
    second.publish(flood_lines);
    first.complete();
    second.complete();
    a.join();
    b.join();
    puma::logging::flush();
    lines.values.push_back(2.0 * flood_lines / seconds_since(begin));
    check_lines(puma_file,
                before + 2 * static_cast<std::uint64_t>(flood_lines));

    direct.reset();
    spdlog::shutdown();
    direct = make_spdlog(spdlog_file);
    begin = steady::now();
    {
      std::vector<std::jthread> threads;
      for (int t = 0; t != 2; ++t)
        threads.emplace_back([&] {
          for (int j = 0; j != flood_lines; ++j)
            direct->info("line {} of {}", j, flood_lines);
        });
    }
    direct.reset();
    spdlog::shutdown(); // waits for the queue
    spdlog_lines.values.push_back(2.0 * flood_lines / seconds_since(begin));
    check_lines(spdlog_file, 2 * static_cast<std::uint64_t>(flood_lines));
    direct = make_spdlog(spdlog_file);
  }
  direct.reset();
  spdlog::shutdown();
  for (auto* x : {&call, &spdlog_call, &ratio, &lines, &spdlog_lines})
    x->print();
  if (puma::logging::stats().dropped != 0)
    throw std::runtime_error{"lines were dropped"};
}

} // namespace

/// Usage: log_bench [rounds [lines per writer]]
int main(int argc, char** argv) {
  return puma::main(argc, argv, [](puma::runtime& rt) {
    const auto& args = rt.args();
    const int rounds = args.size() > 1 ? std::atoi(args[1].c_str()) : 20;
    const int lines = args.size() > 2 ? std::atoi(args[2].c_str()) : 200'000;
    auto name = (std::filesystem::temp_directory_path() / "log-bench-XXXXXX")
                  .string();
    if (rounds < 1 || lines < 1 || !::mkdtemp(name.data()))
      throw std::runtime_error{"log_bench [rounds [lines per writer]]"};
    try {
      run(rt, name, rounds, lines);
    } catch (...) {
      puma::logging::reset(); // so that the error is seen
      std::filesystem::remove_all(name);
      throw;
    }
    puma::logging::reset();
    std::filesystem::remove_all(name);
  });
}
