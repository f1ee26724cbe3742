// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/supervisor_environment.hpp"
#include "puma/testing/fault_script.hpp"
#include "tests/processes/places.hpp"
#include "tests/processes/stages.hpp"
#include "tests/support/reports.hpp"

#include <algorithm>

using namespace puma_test;
using ending = puma::shutdown_report::ending;

namespace {

class planned_faults : public process_test {
 protected:
  puma::testing::fault_script faults{rt()};
  puma::buffer<int> a = env.make_buffer<int>("a", 8);
  puma::buffer<int> b = env.make_buffer<int>("b", 1000);
};

TEST_F(planned_faults, throw_in_worker_processes) {
  faults.fail({.runnable = "stage", .at = 3}, "as planned");
  auto stage = env.run<passing<int>>("stage"s, a, b);
  auto to = a.open_publisher();
  send_numbers(to, 1, 5);

  const auto found = read(b);

  EXPECT_EQ(found.values, numbers(1, 2));
  ASSERT_TRUE(found.error);
  EXPECT_THROW(found.error->rethrow(), puma::injected_fault);
}

TEST_F(planned_faults, kill_worker_processes_whose_successors_go_on) {
  faults.kill({.runnable = "stage", .at = 30})
    .kill({.runnable = "stage", .at = 20, .instance = 2});
  const auto guard = env.supervisor(
    "guard", {.then = puma::on_failure::restart, .first_backoff = 0s});
  auto stage = guard.run<passing<int>>("stage"s, a, b);
  auto source = env.run<counting<int>>("source"s, a, 1, 100);

  const auto found = read(b);

  EXPECT_EQ(to_string(found.end), "completed");
  std::vector<int> all = found.values;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  EXPECT_EQ(all, numbers(1, 100));
  EXPECT_EQ(log.count(puma::log_level::error, "SIGKILL"), 2u);
}

TEST_F(planned_faults, hang_in_worker_processes_until_these_are_killed) {
  faults.hang({.runnable = "stage", .at = 3});
  auto stage = env.run<passing<int>>("stage"s, a, b);
  auto to = a.open_publisher();
  send_numbers(to, 1, 3);
  ASSERT_TRUE(eventually([&] {
    const auto now = rt().join_for(1ms);
    return now.still_alive.size() == 1
           && now.still_alive[0].activity == "on_value";
  }));

  const auto report = rt().shutdown(
    {.drain = 100ms, .stop = 100ms, .abort = 100ms, .kill = patience});

  EXPECT_EQ(how_ended(report, "stage"), ending::killed) << report.to_string();
  expect_adds_up(report);
}

} // namespace
