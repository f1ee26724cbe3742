// SPDX-License-Identifier: Apache-2.0
//
// Runs random pipelines in threads and processes, kills some of the processes,
// and checks after each round that everything adds up. See scripts/soak.

#include "puma/puma.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

/// Longer than this takes a round only where something waits for a time-out, or
/// on a busy machine.
constexpr double slow_round_s = 2;
constexpr auto round_limit = 60s;
constexpr auto step_limit = 25s; // tells more than the watchdog can

/// Something that must not happen.
class violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// -- values -------------------------------------------------------------------

/// Which publisher a value is of, and its place among those.
struct tag {
  std::uint32_t publisher = 0;
  std::uint32_t sequence = 0;
};

/// How a tag becomes a value, and back.
template <class T>
struct form;

template <>
struct form<std::uint64_t> {
  static std::uint64_t make(tag x) {
    return std::uint64_t{x.publisher} << 32 | x.sequence;
  }

  static tag read(std::uint64_t x) {
    return {static_cast<std::uint32_t>(x >> 32), static_cast<std::uint32_t>(x)};
  }
};

template <>
struct form<std::string> {
  static constexpr std::size_t bytes = 1024;

  static std::string make(tag x) {
    std::string result(bytes, fill_of(x));
    result.replace(0, sizeof(x), reinterpret_cast<const char*>(&x), sizeof(x));
    return result;
  }

  static tag read(const std::string& x) {
    tag result;
    if (x.size() != bytes)
      throw violation{"a value has " + std::to_string(x.size()) + " bytes"};
    x.copy(reinterpret_cast<char*>(&result), sizeof(result));
    if (x.find_first_not_of(fill_of(result), sizeof(result)) != x.npos)
      throw violation{"the bytes of a value have changed"};
    return result;
  }

 private:
  static char fill_of(tag x) {
    return static_cast<char>(x.publisher * 31 + x.sequence);
  }
};

// -- runnables ----------------------------------------------------------------

template <class T>
class maker final : public puma::source_runnable {
 public:
  maker(std::uint32_t number, std::uint32_t count, const puma::buffer<T>& out)
    : source_runnable("maker " + std::to_string(number)),
      next_{number, 0},
      count_(count),
      out_(publish_to(out)) {}

 protected:
  bool on_demand() override {
    if (out_.publish(form<T>::make(next_)) == puma::publish_result::closed)
      return false;
    return ++next_.sequence != count_;
  }

 private:
  tag next_;
  std::uint32_t count_;
  puma::publisher<T> out_;
};

template <class T>
class passer final : public puma::single_buffer_servicing_runnable<T> {
 public:
  passer(const puma::buffer<T>& in, const puma::buffer<T>& out)
    : puma::single_buffer_servicing_runnable<T>("passer", in),
      out_(this->publish_to(out)) {}

 protected:
  void on_value(T& x) override { out_.publish(std::move(x)); }

 private:
  puma::publisher<T> out_;
};

/// What the checker has seen.
struct verdict {
  std::vector<std::uint32_t> counts; ///< Of each publisher.
  std::string problem;
  bool completed = false;
};

/// Checks that each publisher's values come in order and without gaps.
template <class T>
class checker final : public puma::single_buffer_servicing_runnable<T> {
 public:
  checker(std::uint32_t publishers, const puma::buffer<T>& in,
          const puma::buffer<verdict>& out)
    : puma::single_buffer_servicing_runnable<T>("checker", in),
      out_(this->publish_to(out)) {
    seen_.counts.resize(publishers);
  }

 protected:
  void on_value(T& x) override {
    const auto got = form<T>::read(x);
    if (!seen_.problem.empty())
      return;
    if (got.publisher >= seen_.counts.size())
      seen_.problem = "a value of publisher " + std::to_string(got.publisher);
    else if (auto& next = seen_.counts[got.publisher]; got.sequence != next)
      seen_.problem = "value " + std::to_string(got.sequence) + " of publisher "
                      + std::to_string(got.publisher) + " came in place of "
                      + std::to_string(next);
    else
      ++next;
  }

  void on_complete(const puma::failure* error) override {
    seen_.completed = error == nullptr;
    out_.publish(seen_);
    if (error)
      error->rethrow();
  }

 private:
  puma::publisher<verdict> out_;
  verdict seen_;
};

// -- what is left of a round --------------------------------------------------

struct process {
  pid_t id = 0;
  char state = '?';
};

/// Returns the children of this process, also those that nobody has reaped.
std::vector<process> children() {
  std::vector<process> result;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{"/proc", ignored}) {
    const auto name = entry.path().filename().string();
    pid_t id = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), id).ec
        != std::errc{})
      continue;
    std::ifstream file{entry.path() / "stat"};
    std::string line;
    if (!std::getline(file, line) || line.rfind(')') == line.npos)
      continue; // it is gone
    std::istringstream fields{line.substr(line.rfind(')') + 1)};
    char state = '?';
    pid_t parent = 0;
    fields >> state >> parent;
    if (parent == ::getpid())
      result.push_back({id, state});
  }
  return result;
}

std::size_t entries_of(const fs::path& directory) {
  std::error_code ignored;
  return static_cast<std::size_t>(
    std::distance(fs::directory_iterator{directory, ignored}, {}));
}

double resident_mib() {
  std::ifstream file{"/proc/self/statm"};
  double ignored = 0;
  double pages = 0;
  file >> ignored >> pages;
  return pages * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1024 * 1024);
}

/// Ends this process when a round takes too long.
class watchdog {
 public:
  /// Removes `directory` then.
  explicit watchdog(fs::path directory)
    : directory_(std::move(directory)),
      thread_([this](const std::stop_token& ended) { run(ended); }) {}

  void watch(std::string what) {
    const std::lock_guard guard{mutex_};
    what_ = std::move(what);
    deadline_ = steady::now() + round_limit;
  }

 private:
  void run(const std::stop_token& ended) {
    std::unique_lock lock{mutex_};
    while (!ended.stop_requested()) {
      changed_.wait_for(lock, ended, 200ms, [] { return false; });
      if (!ended.stop_requested() && steady::now() > deadline_) {
        std::cout << "soak: VIOLATION: hangs: " << what_ << std::endl;
        if (std::getenv("SOAK_WAIT")) // for a debugger
          std::this_thread::sleep_for(24h);
        std::error_code ignored;
        fs::remove_all(directory_, ignored);
        std::_Exit(1); // the workers end with this process
      }
    }
  }

  fs::path directory_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::string what_;
  steady::time_point deadline_ = steady::now() + round_limit;
  std::jthread thread_;
};

/// Kills random workers at random moments.
class killer {
 public:
  killer(std::vector<std::chrono::microseconds> delays, std::uint32_t seed)
    : delays_(std::move(delays)),
      random_(seed),
      thread_([this](const std::stop_token& ended) { run(ended); }) {}

  /// Returns when the last one was killed.
  std::optional<steady::time_point> stop() {
    thread_.request_stop();
    thread_.join();
    return last_;
  }

  [[nodiscard]] int killed() const noexcept { return killed_; }

 private:
  void run(const std::stop_token& ended) {
    for (const auto delay : delays_) {
      std::this_thread::sleep_for(delay);
      auto victims = children();
      std::erase_if(victims, [](const process& x) { return x.state == 'Z'; });
      if (ended.stop_requested() || victims.empty())
        return;
      const auto victim = victims[random_() % victims.size()].id;
      // Nobody else may have this number yet, except if it was reaped within
      // the last microseconds.
      const auto now = steady::now();
      if (::kill(victim, SIGKILL) == 0) {
        last_ = now;
        ++killed_;
      }
    }
  }

  std::vector<std::chrono::microseconds> delays_;
  std::minstd_rand random_;
  std::optional<steady::time_point> last_;
  int killed_ = 0;
  std::jthread thread_;
};

// -- a round ------------------------------------------------------------------

struct totals {
  std::uint64_t rounds = 0;
  std::uint64_t kills = 0;
  std::uint64_t lost_rounds = 0; ///< In which an error reached the owner.
  std::uint64_t values = 0;
  double slowest_s = 0;
  double latest_notice_s = 0;
};

using random_source = std::mt19937_64;

std::uint32_t between(random_source& random, std::uint32_t least,
                      std::uint32_t most) {
  return std::uniform_int_distribution<std::uint32_t>{least, most}(random);
}

/// Small ones as often as large ones.
std::uint32_t random_capacity(random_source& random) {
  return between(random, 1, 1u << between(random, 0, 10));
}

/// What happens in a round.
struct plan {
  std::uint32_t publishers;
  std::uint32_t count; ///< Of values of each publisher.
  std::vector<std::uint32_t> capacities;
  bool large;
  bool waits; ///< Until each runnable runs before the next one starts.
  std::vector<std::chrono::microseconds> kills;
  /// Of makers, passers and the checker: 0 threads, 1 own process, 2 shared.
  std::vector<std::uint32_t> places;
  std::vector<bool> dedicated; ///< Of makers.
  std::uint32_t shared_workers;
  std::uint32_t seed;

  explicit plan(random_source& random) {
    publishers = between(random, 1, 4);
    capacities.resize(between(random, 1, 3));
    std::uint32_t least = 1024;
    for (auto& x : capacities)
      least = std::min(least, x = random_capacity(random));
    large = between(random, 0, 1) != 0;
    const auto most = std::min(60 * least + 100, large ? 4000u : 20'000u);
    count = between(random, 1, most);
    waits = between(random, 0, 1) != 0;
    if (between(random, 0, 1) != 0)
      for (auto i = between(random, 1, 2); i != 0; --i)
        kills.emplace_back(between(random, 0, 80'000));
    for (std::size_t i = 0; i != publishers + capacities.size(); ++i)
      places.push_back(between(random, 0, 2));
    for (std::uint32_t i = 0; i != publishers; ++i)
      dedicated.push_back(between(random, 0, 3) == 0);
    shared_workers = between(random, 1, 2);
    seed = static_cast<std::uint32_t>(random());
  }

  [[nodiscard]] std::string to_string() const {
    std::ostringstream out;
    out << publishers << " publishers of " << count
        << (large ? " KiB values" : " integers") << ", capacities";
    for (const auto x : capacities)
      out << ' ' << x;
    out << ", places ";
    for (const auto x : places)
      out << "tps"[x];
    out << ", dedicated ";
    for (const bool x : dedicated)
      out << x;
    out << ", " << shared_workers << " shared workers"
        << (waits ? ", one by one" : "") << ", kills after µs:";
    for (const auto x : kills)
      out << ' ' << x.count();
    return out.str();
  }
};

/// The outcome for the owner.
struct outcome {
  std::optional<verdict> seen;
  std::vector<std::string> errors;
  steady::time_point told; ///< When the first error came.

  void note(const std::string& where, const std::exception& error) {
    if (errors.empty())
      told = steady::now();
    const bool lost = dynamic_cast<const puma::process_lost*>(&error);
    errors.push_back((lost ? "process_lost" : "other error")
                     + (" from " + where) + ": " + error.what());
  }
};

template <class T>
class pipeline {
 public:
  pipeline(puma::runtime& rt, const plan& what) : what_(what) {
    environments_.push_back(std::make_unique<puma::thread_environment>(rt));
    environments_.push_back(std::make_unique<puma::process_environment>(rt));
    environments_.push_back(std::make_unique<puma::process_environment>(
      rt, puma::process_options{.workers = what.shared_workers}));
  }

  /// Starts everything, the last stage first.
  void start(const puma::buffer<verdict>& verdicts, outcome& result) {
    for (const auto x : what_.capacities)
      buffers_.push_back(
        next_environment().template make_buffer<T>("values", x, options));
    auto hold = buffers_.front().open_publisher();
    try {
      auto place = what_.places.rbegin();
      started(at(*place++).template run<checker<T>>(what_.publishers,
                                                    buffers_.back(), verdicts));
      for (auto i = buffers_.size() - 1; i != 0; --i)
        started(
          at(*place++).template run<passer<T>>(buffers_[i - 1], buffers_[i]));
      for (std::uint32_t i = 0; i != what_.publishers; ++i) {
        auto& env = at(*place++);
        started(what_.dedicated[i] ? env.template run<maker<T>>(
                  puma::dedicated, i, what_.count, buffers_.front())
                                   : env.template run<maker<T>>(
                                     i, what_.count, buffers_.front()));
      }
    } catch (const std::exception& error) {
      result.note("start", error);
    }
  }

 private:
  // Values that a kill has left behind are no news.
  static constexpr puma::buffer_options options{.warn_about_leftovers = false};

  const puma::environment& at(std::uint32_t place) {
    return *environments_[place];
  }

  const puma::environment& next_environment() { return at(what_.places[0]); }

  void started(puma::runner x) {
    runners_.push_back(std::move(x));
    if (what_.waits)
      runners_.back().wait_until_running();
  }

  const plan& what_;
  std::vector<std::unique_ptr<puma::environment>> environments_;
  std::vector<puma::buffer<T>> buffers_;
  std::vector<puma::runner> runners_;
};

void receive(puma::subscription<verdict>& in, outcome& result) {
  for (;;) {
    auto got = in.next_for(step_limit);
    if (got) {
      result.seen = std::move(*got);
      continue;
    }
    if (got.status() == puma::receive_status::empty)
      throw violation{"no end of the verdicts in 10 s"};
    if (got.error()) {
      try {
        got.error()->rethrow();
      } catch (const std::exception& error) {
        result.note("verdicts", error);
      }
    }
    return;
  }
}

template <class T>
outcome run(const plan& what, totals& all) {
  outcome result;
  std::optional<killer> kills;
  if (!what.kills.empty())
    kills.emplace(what.kills, what.seed);
  {
    puma::runtime rt{{.teardown_timeout = step_limit}};
    const puma::thread_environment here{rt};
    const auto verdicts = here.make_buffer<verdict>("verdicts", 2);
    auto in = verdicts.subscribe();
    {
      pipeline<T> stages{rt, what};
      stages.start(verdicts, result);
      // If the checker has not come to be, nothing ends the verdicts.
      if (result.errors.empty())
        receive(in, result);
      // The verdicts took the error. Whoever publishes to a stage that died
      // before it subscribed waits for another one.
      if (!result.errors.empty())
        rt.stop();
      try {
        const auto report = rt.join_for(step_limit);
        if (!report.done())
          throw violation{"still alive: " + report.to_string()};
      } catch (const violation&) {
        throw;
      } catch (const std::exception& error) {
        result.note("join", error);
      }
    }
  }
  if (kills) {
    const auto last = kills->stop();
    all.kills += static_cast<std::uint64_t>(kills->killed());
    if (kills->killed() == 1 && !result.errors.empty())
      all.latest_notice_s = std::max(
        all.latest_notice_s,
        std::chrono::duration<double>(result.told - *last).count());
    if (kills->killed() == 0 && !result.errors.empty())
      throw violation{"nobody was killed, but: " + result.errors.front()};
  }
  return result;
}

void judge(const plan& what, const outcome& result, const fs::path& directory,
           totals& all) {
  for (const auto& x : result.errors)
    if (what.kills.empty() || !x.starts_with("process_lost"))
      throw violation{"unexpected: " + x};
  bool complete = false;
  if (result.seen) {
    const auto& [counts, problem, completed] = *result.seen;
    if (!problem.empty())
      throw violation{problem};
    complete = completed;
    for (std::size_t i = 0; i != counts.size(); ++i) {
      all.values += counts[i];
      if (counts[i] > what.count)
        throw violation{"too many values of publisher " + std::to_string(i)};
      // A publisher that died before it opened its output is no error of the
      // stream.
      if (completed && counts[i] != what.count && result.errors.empty())
        throw violation{"completed with " + std::to_string(counts[i]) + " of "
                        + std::to_string(what.count) + " values of publisher "
                        + std::to_string(i)
                        + ", and the owner was not told of an error"};
    }
  }
  if (!complete && result.errors.empty())
    throw violation{"values are missing, and the owner was not told"};
  all.lost_rounds += !result.errors.empty();
  for (const auto& x : children())
    throw violation{"process " + std::to_string(x.id) + " is left, in state "
                    + std::string{x.state}};
  for (const auto& x : fs::directory_iterator{directory})
    throw violation{"left over: " + x.path().string()};
}

std::string summary(const totals& all, double seconds) {
  std::ostringstream out;
  out << std::fixed;
  out.precision(1);
  out << "soak: " << seconds << " s, " << all.rounds << " rounds, " << all.kills
      << " kills, of which " << all.lost_rounds << " rounds told their owner; "
      << static_cast<double>(all.values) / 1e6 << " M values; slowest round "
      << all.slowest_s << " s; latest notice of a death "
      << all.latest_notice_s * 1e3 << " ms; " << entries_of("/proc/self/fd")
      << " descriptors, " << entries_of("/proc/self/task") << " threads, "
      << resident_mib() << " MiB";
  return out.str();
}

/// A directory of its own for the sockets, so that leftovers show.
class own_directory {
 public:
  own_directory() {
    if (!::mkdtemp(path_.data()))
      throw std::runtime_error{"cannot make " + path_};
    ::setenv("XDG_RUNTIME_DIR", path_.c_str(), 1);
  }

  own_directory(const own_directory&) = delete;
  own_directory& operator=(const own_directory&) = delete;

  ~own_directory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }

  [[nodiscard]] fs::path path() const { return path_; }

 private:
  std::string path_ = "/tmp/soak-XXXXXX";
};

} // namespace

int main(int argc, char** argv) {
  if (const auto code = puma::run_as_worker(argc, argv))
    return *code;
  double seconds = 600;
  std::uint64_t seed = std::random_device{}();
  std::optional<std::uint64_t> only;
  CLI::App app{
    "Runs random pipelines, kills random workers, and checks that "
    "everything adds up. Exit code 1 at the first violation."};
  app.add_option("seconds", seconds, "How long")->capture_default_str();
  app.add_option("--seed", seed, "Of everything that is random");
  app.add_option("--round", only, "Repeat this round only");
  CLI11_PARSE(app, argc, argv);

  puma::set_log_level(puma::log_level::off); // deaths are reported as errors
  std::cout << "soak: seed " << seed << std::endl;
  const own_directory directory;
  watchdog dog{directory.path()};
  totals all;
  std::size_t descriptors = 0;
  const auto begin = steady::now();
  const auto passed = [begin] {
    return std::chrono::duration<double>(steady::now() - begin).count();
  };
  for (auto next_line = 60.0; passed() < seconds; ++all.rounds) {
    const auto number = only.value_or(all.rounds);
    random_source random{seed + number * 0x9e37'79b9'7f4a'7c15};
    const plan what{random};
    const auto text = "round " + std::to_string(number) + " of seed "
                      + std::to_string(seed) + ": " + what.to_string();
    dog.watch(text);
    const auto start = passed();
    try {
      const auto result = what.large ? run<std::string>(what, all)
                                     : run<std::uint64_t>(what, all);
      judge(what, result, directory.path(), all);
      // The first rounds open what stays, such as the log.
      const auto now = entries_of("/proc/self/fd");
      if (all.rounds < 3)
        descriptors = std::max(descriptors, now);
      else if (now > descriptors)
        throw violation{"there are " + std::to_string(now)
                        + " descriptors, and there were "
                        + std::to_string(descriptors)};
    } catch (const std::exception& error) {
      std::cout << "soak: VIOLATION: " << error.what() << "\nsoak: in " << text
                << '\n'
                << summary(all, passed()) << std::endl;
      std::error_code ignored;
      fs::remove_all(directory.path(), ignored);
      std::_Exit(1);
    }
    const auto took = passed() - start;
    all.slowest_s = std::max(all.slowest_s, took);
    if (took > slow_round_s)
      std::cout << "soak: took " << took << " s: " << text << std::endl;
    if (passed() >= next_line) {
      std::cout << summary(all, passed()) << std::endl;
      next_line += 60;
    }
  }
  std::cout << summary(all, passed()) << "\nsoak: everything added up"
            << std::endl;
  return 0;
}
