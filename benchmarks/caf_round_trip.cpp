// SPDX-License-Identifier: Apache-2.0

/// The yardstick of `puma-bench xproc_lat`: what CAF alone takes for the same
/// round trips, with puma's scheduling policy and without helpers of the
/// middleman. A plain thread sends its time stamp 1,000 times a second to an
/// actor of another process, and waits for it to come back. CAF's protocol goes
/// over TCP. Prints half of the times, as puma-bench does.

#include "puma/actors/internal/parking_policy.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/scheduler/coordinator.hpp>
#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

using clock_type = std::chrono::steady_clock;

constexpr std::size_t count = 2'000;
constexpr std::chrono::milliseconds period{1};
constexpr std::chrono::seconds patience{10};

struct config : caf::actor_system_config {
  config() {
    load<caf::scheduler::coordinator<puma::internal::parking_policy>>();
    load<caf::io::middleman>();
    set("middleman.workers", 0);
    set("scheduler.max-threads",
        std::max(std::thread::hardware_concurrency(), 1u));
  }
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "caf_round_trip: %s\n", what);
  std::_Exit(1);
}

/// Answers until it is told to end.
int serve(int ready) {
  config options;
  caf::actor_system system{options};
  const auto echo = system.spawn([](caf::event_based_actor* self) {
    return caf::behavior{
      [](std::int64_t stamp) { return stamp; },
      [self](caf::unit_t) { self->quit(); },
    };
  });
  const auto port = system.middleman().publish(echo, 0, "127.0.0.1");
  if (!port || ::write(ready, &*port, sizeof(*port)) != sizeof(*port))
    fail("could not publish the actor");
  return 0; // the system waits for its actor
}

void measure(std::uint16_t port) {
  config options;
  caf::actor_system system{options};
  const auto echo = system.middleman().remote_actor("127.0.0.1", port);
  if (!echo)
    fail("could not connect");
  std::vector<double> halves_us;
  halves_us.reserve(count);
  {
    caf::scoped_actor self{system};
    const auto begin = clock_type::now();
    for (std::size_t i = 0; i != count; ++i) {
      std::this_thread::sleep_until(begin + i * period);
      const auto sent = clock_type::now();
      self->request(*echo, patience, sent.time_since_epoch().count())
        .receive([](std::int64_t) {},
                 [](const caf::error&) { fail("no answer"); });
      const std::chrono::duration<double, std::micro> passed = clock_type::now()
                                                               - sent;
      halves_us.push_back(passed.count() / 2);
    }
    self->send(*echo, caf::unit);
  }
  std::ranges::sort(halves_us);
  std::printf(
    "{\"peer\":\"caf-round-trip\",\"workload\":\"xproc_lat\","
    "\"items\":%zu,\"p50_us\":%.3f,\"p99_us\":%.3f}\n",
    count, halves_us[count / 2], halves_us[count * 99 / 100]);
}

} // namespace

int main() {
  int ready[2];
  if (::pipe(ready) != 0)
    fail("no pipe");
  const auto server = ::fork();
  if (server == 0)
    return serve(ready[1]);
  ::close(ready[1]);
  std::uint16_t port = 0;
  if (server < 0 || ::read(ready[0], &port, sizeof(port)) != sizeof(port))
    fail("no server");
  measure(port);
  int status = 0;
  ::waitpid(server, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
