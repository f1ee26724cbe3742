// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/environment.hpp"
#include "puma/environments/process_environment.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/testing/capture_logs.hpp"
#include "tests/processes/nodes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/types.h>

/// Tests that hold wherever runnables run are written once, with runnables
/// whose arguments cross and that are observed through buffers.
namespace puma_test {

using namespace std::chrono_literals;
using namespace std::string_literals;
using steady = std::chrono::steady_clock;

/// For what must happen; a test that comes so far has failed.
constexpr auto patience = 30s;

/// Where a test's runnables run.
enum class place {
  threads,   ///< In this process.
  processes, ///< Each in a process of its own.
  shared,    ///< In two processes.
  node,      ///< Each in a process of a node on this host.
};

inline void PrintTo(place x, std::ostream* to) {
  *to << (x == place::threads     ? "threads"
          : x == place::processes ? "processes"
          : x == place::shared    ? "shared_processes"
                                  : "node");
}

inline std::string place_name(const ::testing::TestParamInfo<place>& info) {
  return ::testing::PrintToString(info.param);
}

inline const auto any_place = ::testing::Values(
  place::threads, place::processes, place::shared);
/// As above, and at a node: for what has to do with where the processes are.
inline const auto any_place_at_all = ::testing::Values(
  place::threads, place::processes, place::shared, place::node);
inline const auto any_process = ::testing::Values(place::processes,
                                                  place::shared);

/// Waits until `holds`; false if that does not happen in time.
bool eventually(const std::function<bool()>& holds,
                std::chrono::nanoseconds limit = patience);

void forbid_core_dumps();

/// A directory in which the runtimes of this process make theirs.
[[nodiscard]] std::string runtime_root();

/// Returns what is in `runtime_root()`: the directories of live runtimes.
[[nodiscard]] std::vector<std::string> runtime_directories();

/// A fixture with a runtime that says at the end of each test that nothing has
/// been left: no process, no directory.
class runtime_test : public ::testing::Test {
 protected:
  puma::testing::capture_logs log; // outlives the runtime

  runtime_test();
  ~runtime_test() override;

  [[nodiscard]] puma::runtime& rt() { return *runtime_; }

  void destroy_runtime() { runtime_.reset(); }

  /// The process ids of the workers.
  [[nodiscard]] std::vector<pid_t> workers();

 private:
  std::unique_ptr<puma::runtime> runtime_;
};

/// Runs in one of the places.
class place_test : public runtime_test,
                   public ::testing::WithParamInterface<place> {
 protected:
  place_test();
  ~place_test() override;

  [[nodiscard]] const puma::environment& env() const { return *environment_; }

 private:
  std::unique_ptr<test_node> node_;
  std::unique_ptr<puma::environment> environment_;
};

/// Each runnable in a process of its own.
class process_test : public runtime_test {
 protected:
  puma::process_environment env{rt()};
};

// -- steps --------------------------------------------------------------------

/// What came out of a buffer, and why no more came: `empty` stands for enough.
template <class T>
struct stream {
  std::vector<T> values = {};
  puma::receive_status end = puma::receive_status::empty;
  std::optional<puma::failure> error = {};
};

/// Receives until the stream ends, or `most` values are there.
template <class T>
stream<T> read(puma::subscription<T>& in,
               std::size_t most = static_cast<std::size_t>(-1)) {
  stream<T> result;
  while (result.values.size() != most) {
    auto x = in.next_for(patience);
    if (!x) {
      result.end = x.status();
      result.error = x.error();
      if (x.status() == puma::receive_status::empty)
        ADD_FAILURE() << "buffer '" << in.name() << "': no more came after "
                      << result.values.size() << " values";
      break;
    }
    result.values.push_back(std::move(*x));
  }
  return result;
}

template <class T>
stream<T> read(const puma::buffer<T>& from,
               std::size_t most = static_cast<std::size_t>(-1)) {
  auto in = from.subscribe();
  return read(in, most);
}

/// Receives all values of a stream that completes.
template <class T>
std::vector<T> read_all(const puma::buffer<T>& from) {
  auto result = read(from);
  EXPECT_EQ(to_string(result.end), "completed")
    << (result.error ? result.error->describe() : "");
  return std::move(result.values);
}

/// Receives one value.
template <class T>
T read_one(puma::subscription<T>& in) {
  auto result = read(in, 1);
  if (result.values.empty())
    throw std::runtime_error{"no value came out of '" + std::string{in.name()}
                             + "'"};
  return std::move(result.values.front());
}

template <class T>
T read_one(const puma::buffer<T>& from) {
  auto in = from.subscribe();
  return read_one(in);
}

/// Publishes with a limit on the time.
template <class T>
void send(puma::publisher<T>& out, T value) {
  ASSERT_EQ(to_string(out.publish_for(std::move(value), patience)), "accepted");
}

/// Publishes `first` to `last` from the calling thread.
inline void send_numbers(puma::publisher<int>& out, int first, int last) {
  for (int i = first; i <= last; ++i)
    ASSERT_NO_FATAL_FAILURE(send(out, i));
}

inline std::vector<int> numbers(int first, int last) {
  std::vector<int> result;
  for (int i = first; i <= last; ++i)
    result.push_back(i);
  return result;
}

/// Joins with a limit on the time.
inline void join(puma::runner& x) {
  ASSERT_TRUE(x.join_for(patience)) << x.name() << " has not ended";
}

inline void join(puma::runtime& rt) {
  const auto report = rt.join_for(patience);
  ASSERT_TRUE(report.done()) << report.to_string();
}

/// Waits until it runs; throws its error.
inline void wait_for(puma::runner& x) {
  ASSERT_TRUE(x.wait_until_running_for(patience)) << x.name();
}

/// Runs `what` and returns the text of the `Error` that it throws.
template <class Error, class F>
std::string thrown_text(F&& what) {
  try {
    what();
  } catch (const Error& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "threw another type: " << typeid(error).name() << ", "
                  << error.what();
    return {};
  } catch (...) {
    ADD_FAILURE() << "threw another type";
    return {};
  }
  ADD_FAILURE() << "threw nothing";
  return {};
}

} // namespace puma_test
