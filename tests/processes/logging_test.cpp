// SPDX-License-Identifier: Apache-2.0

#include "puma/logging/logging.hpp"

#include "puma/caf.hpp"
#include "puma/logging/internal/log_hub.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/proc.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/forks.hpp"
#include "tests/support/log_files.hpp"

#include <caf/actor_ostream.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <stdexcept>

#include <sys/wait.h>
#include <unistd.h>

using namespace puma_test;
using puma::log_level;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace {

using line = puma::testing::capture_logs::line;

enum class deed {
  log,
  log_and_be_killed,
  throw_in_thread,
  print,
  start_program,
  log_in_fork,
  use_spdlog,
  ask_for_levels,
  start_worker,
  start_worker_and_be_killed,
};

/// Does something with its process at each value.
class doing : public puma::single_buffer_servicing_runnable<int> {
 public:
  doing(std::string name, const puma::buffer<int>& in,
        const puma::buffer<int>& out, deed what)
    : single_buffer_servicing_runnable(std::move(name), in),
      out_(publish_to(out)),
      what_(what) {}

 protected:
  void on_value(int& x) override {
    act(x);
    out_.publish(x);
  }

 private:
  void act(int& x);

  puma::publisher<int> out_;
  deed what_;
};

/// Lets a worker of this process's own log something.
void use_own_worker(bool is_killed) {
  puma::runtime rt;
  puma::process_environment env{rt};
  const auto in = env.make_buffer<int>("inner in", 4);
  const auto out = env.make_buffer<int>("inner out", 4);
  auto inner = env.run<doing>("grandchild"s, in, out, deed::log);
  auto to = in.open_publisher();
  auto from = out.subscribe();
  to.publish(1);
  static_cast<void>(from.next());
  if (is_killed)
    std::raise(SIGKILL);
  to.complete();
  rt.join();
}

void doing::act(int& x) {
  switch (what_) {
  case deed::log:
    log().info("value {}", x);
    break;
  case deed::log_and_be_killed:
    for (int i = 0; i != x; ++i)
      log().warning("line {}", i);
    std::raise(SIGKILL);
    break;
  case deed::throw_in_thread:
    log().info("about to");
    std::thread{[] { throw std::runtime_error{"nobody catches it"}; }}.join();
    break;
  case deed::print:
    std::cout << "printed " << x << std::endl;
    std::printf("without end");
    std::fflush(stdout);
    std::cerr << "complained\n";
    break;
  case deed::start_program:
    static_cast<void>(!std::system("echo from a program; echo trouble >&2"));
    break;
  case deed::log_in_fork: {
    const auto child = ::fork();
    if (child == 0) {
      log().info("from a fork");
      std::_Exit(0);
    }
    ::waitpid(child, nullptr, 0);
    break;
  }
  case deed::use_spdlog:
    spdlog::warn("plain {}", x);
    break;
  case deed::ask_for_levels:
    x = log().logs(log_level::debug) ? 1 : 0;
    break;
  case deed::start_worker:
  case deed::start_worker_and_be_killed:
    // In a hook its publisher would wait for the hook's end.
    std::thread{use_own_worker, what_ == deed::start_worker_and_be_killed}
      .join();
    break;
  }
}

class worker_lines : public process_test {
 protected:
  puma::buffer<int> in = env.make_buffer<int>("in", 8);
  puma::buffer<int> out = env.make_buffer<int>("out", 8);

  /// Has a worker do something with `x`, and waits for its end.
  void let(deed what, int x = 1) {
    auto runner = env.run<doing>("doer"s, in, out, what);
    wait_for(runner);
    auto to = in.open_publisher();
    to.publish(x);
    to.complete();
    runner.join();
    EXPECT_TRUE(eventually([&] { return workers().empty(); }));
  }
};

} // namespace

TEST_F(worker_lines, name_their_process_and_runnable) {
  let(deed::log, 5);

  const auto lines = log.lines({.text = "value 5"});
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(lines[0].level, log_level::info);
  EXPECT_EQ(lines[0].logger, "doer");
  EXPECT_EQ(lines[0].process, "worker-1");
  EXPECT_NE(lines[0].process_id, static_cast<std::uint32_t>(::getpid()));
  EXPECT_NE(lines[0].process_id, 0u);
  EXPECT_EQ(lines[0].file, "logging_test.cpp");
}

TEST_F(worker_lines, are_all_there_when_it_is_killed) {
  constexpr int count = 1'000;
  let(deed::log_and_be_killed, count);

  const auto lines = log.lines({.logger = "doer"});
  ASSERT_THAT(lines, SizeIs(count));
  for (int i = 0; i != count; ++i)
    EXPECT_EQ(lines[static_cast<std::size_t>(i)].text,
              "line " + std::to_string(i));
}

TEST_F(worker_lines, come_before_the_one_about_its_end) {
  let(deed::log_and_be_killed, 3);

  const auto all = log.to_string();
  EXPECT_LT(all.find("line 2"), all.find("was killed by SIGKILL"));
  EXPECT_THAT(all, HasSubstr("was killed by SIGKILL"));
}

TEST_F(worker_lines, contain_the_last_words_of_a_crash_and_its_signal) {
  forbid_core_dumps();
  let(deed::throw_in_thread);

  const auto words = log.lines({.logger = "stderr", .process = "worker-1"});
  EXPECT_THAT(words,
              Contains(Field(&line::text, HasSubstr("nobody catches it"))));
  EXPECT_EQ(log.count(log_level::info, "about to"), 1u);
  EXPECT_EQ(log.count(log_level::error, "SIGABRT"), 1u) << log.to_string();
}

TEST_F(worker_lines, contain_what_it_prints) {
  let(deed::print, 3);

  const auto lines = log.lines({.logger = "stdout", .process = "worker-1"});
  ASSERT_THAT(lines, SizeIs(2)) << log.to_string();
  EXPECT_EQ(lines[0].text, "printed 3");
  EXPECT_EQ(lines[0].level, log_level::info);
  EXPECT_NE(lines[0].process_id, 0u);
  EXPECT_EQ(lines[1].text, "without end");
  const auto errors = log.lines({.logger = "stderr", .process = "worker-1"});
  ASSERT_THAT(errors, SizeIs(1));
  EXPECT_EQ(errors[0].text, "complained");
  EXPECT_EQ(errors[0].level, log_level::warning);
}

TEST_F(worker_lines, contain_what_programs_print_that_it_starts) {
  let(deed::start_program);

  EXPECT_THAT(log.lines({.text = "from a program", .logger = "stdout"}),
              SizeIs(1));
  EXPECT_THAT(log.lines({.text = "trouble", .logger = "stderr"}), SizeIs(1));
}

TEST_F(worker_lines, contain_those_of_processes_that_it_forks) {
  if (!forks_may_allocate)
    GTEST_SKIP() << "AddressSanitizer may have locked the memory of a fork";
  let(deed::log_in_fork);

  EXPECT_THAT(log.lines({.text = "from a fork", .process = "worker-1"}),
              SizeIs(1));
}

TEST_F(worker_lines, contain_those_of_workers_of_its_own) {
  let(deed::start_worker);

  const auto lines = log.lines({.text = "value 1", .logger = "grandchild"});
  ASSERT_THAT(lines, SizeIs(1)) << log.to_string();
  EXPECT_EQ(lines[0].process, "worker-1/worker-1");
}

TEST_F(worker_lines, contain_those_of_its_workers_when_it_is_killed_itself) {
  const auto own = runtime_directories();
  let(deed::start_worker_and_be_killed);

  // Nobody else removes that of a runtime whose process is killed.
  for (auto& x : runtime_directories())
    if (std::find(own.begin(), own.end(), x) == own.end())
      std::filesystem::remove_all(x);
  EXPECT_THAT(log.lines({.text = "value 1", .logger = "grandchild"}), SizeIs(1))
    << log.to_string();
}

TEST_F(worker_lines, contain_plain_ones_of_spdlog_under_the_runnable) {
  let(deed::use_spdlog, 8);

  EXPECT_THAT(log.lines({.text = "plain 8", .logger = "doer"}), SizeIs(1))
    << log.to_string();
}

TEST_F(worker_lines, of_several_workers_are_in_the_order_of_time) {
  constexpr int count = 300;
  const auto between = env.make_buffer<int>("between", 4);
  auto first = env.run<doing>("first"s, in, between, deed::log);
  auto second = env.run<doing>("second"s, between, out, deed::log);
  auto to = in.open_publisher();
  auto from = out.subscribe();
  for (int i = 0; i != count; ++i) {
    to.publish(i);
    ASSERT_TRUE(from.next_for(patience));
  }
  to.complete();
  rt().join();

  std::vector<std::string> found;
  for (auto& x : log.lines({.text = "value "}))
    found.push_back(x.logger + " " + x.text);
  std::vector<std::string> expected;
  for (int i = 0; i != count; ++i)
    for (const auto* who : {"first", "second"})
      expected.push_back(who + " value "s + std::to_string(i));
  EXPECT_EQ(found, expected);
}

TEST_F(worker_lines, are_joined_by_what_actors_of_caf_print) {
  auto& system = rt().actor_system();
  {
    caf::scoped_actor self{system};
    caf::aout(self) << "from an actor" << std::endl;
    const auto other = system.spawn(
      [](caf::event_based_actor*) { return caf::behavior{[](int) {}}; });
    self->send(other, std::string{"surprise"});
    self->send_exit(other, caf::exit_reason::user_shutdown);
  }

  EXPECT_TRUE(eventually([&] {
    return log.count(log_level::info, "from an actor") == 1
           && log.count(log_level::warning, "unexpected message") == 1;
  }))
    << log.to_string();
  EXPECT_THAT(log.lines({.logger = "caf"}), SizeIs(2));
}

namespace {

/// A runtime whose lines are written, not captured.
class written_lines : public ::testing::Test {
 protected:
  log_directory files;
  puma::runtime rt;
  puma::process_environment env{rt};

  ~written_lines() override { puma::logging::reset(); }
};

/// Logs numbered lines and ends.
class numbering : public puma::source_runnable {
 public:
  numbering(std::string name, int count)
    : source_runnable(std::move(name)),
      count_(count) {}

 protected:
  bool on_demand() override {
    log().info("line {} of {}", next_, std::string(40, 'x'));
    return ++next_ != count_;
  }

 private:
  int count_;
  int next_ = 0;
};

} // namespace

TEST_F(written_lines, of_many_workers_are_complete_whole_and_in_order) {
  constexpr int workers = 8;
  constexpr int count = 10'000;
  // With a queue that is much smaller than what comes.
  files.configure("{class: file, filename: FILE, formatter: short}", "info",
                  "queue: {bytes: 65536, wait_ms: 60000}");

  std::vector<puma::runner> runners;
  for (int i = 0; i != workers; ++i)
    runners.push_back(env.run<numbering>("source" + std::to_string(i), count));
  rt.join();
  puma::logging::flush();

  std::map<std::string, int> next;
  for (auto& text : files.lines()) {
    const auto name = text.substr(0, text.find(' '));
    ASSERT_EQ(text, name + " line " + std::to_string(next[name]++) + " of "
                      + std::string(40, 'x'));
  }
  EXPECT_THAT(next, SizeIs(workers));
  for (auto& [name, lines] : next)
    EXPECT_EQ(lines, count) << name;
}

TEST_F(written_lines, of_workers_are_filtered_there_as_levels_change) {
  files.configure("{class: file, filename: FILE}", "error");
  const auto in = env.make_buffer<int>("in", 4);
  const auto out = env.make_buffer<int>("out", 4);
  auto runner = env.run<doing>("app.doer"s, in, out, deed::ask_for_levels);
  auto to = in.open_publisher();
  auto answers = out.subscribe();
  const auto ask = [&] {
    to.publish(0);
    return *answers.next_for(patience);
  };

  EXPECT_EQ(ask(), 0);
  puma::logging::override_level("app", log_level::debug);
  EXPECT_EQ(ask(), 1);
  puma::logging::reset_levels();
  EXPECT_EQ(ask(), 0);
  to.complete();
  rt.join();
}

TEST_F(written_lines, that_find_a_full_queue_are_counted) {
  /// Is slow, so that queues fill.
  class slow final : public puma::internal::log_capture {
   public:
    void on_line(const puma::internal::log_record& x) override {
      ++lines;
      if (x.text.find("lines were dropped") != std::string_view::npos)
        dropped += std::atoi(std::string{x.text}.c_str());
      else if (lines < 100)
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    int lines = 0;
    int dropped = 0;
  };
  constexpr int count = 5'000;
  puma::logging::configure(puma::logging::yaml{"queue: {bytes: 65536}"});
  const auto capture = std::make_shared<slow>();
  auto& hub = puma::internal::log_hub::instance();
  hub.begin_capture(capture);

  auto runner = env.run<numbering>("source"s, count);
  rt.join();
  hub.end_capture(*capture);

  EXPECT_GT(capture->dropped, 0);
  EXPECT_GE(puma::logging::stats().dropped,
            static_cast<std::uint64_t>(capture->dropped));
}

TEST(forked_processes, with_a_runtime_write_as_their_parent_was_told_to) {
  if (!puma_test::forks_may_allocate)
    GTEST_SKIP() << "the memory of a forked process may be locked";
  const log_directory files;
  files.configure("{class: file, filename: FILE, formatter: short}");
  const auto log = puma::logging::get("parent");
  log.info("before");

  const auto child = ::fork();
  if (child == 0) {
    {
      puma::runtime rt;
      const puma::process_environment env{rt};
      auto runner = env.run<numbering>("child"s, 3);
      rt.join();
    }
    log.warning("in the child");
    std::_Exit(files.lines().size() == 5 ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  puma::logging::reset();

  EXPECT_EQ(status, 0);
  const auto lines = files.lines();
  ASSERT_THAT(lines, SizeIs(5));
  EXPECT_EQ(lines.front(), "parent before");
  EXPECT_EQ(lines.back(), "parent in the child");
}
