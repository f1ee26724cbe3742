// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/items.hpp"
#include "benchmarks/puma_bench/stages.hpp"

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

namespace puma_bench {

namespace {

using namespace std::chrono_literals;

/// Runs what `middle` stands for between source and sink, which adds `steps` to
/// each value.
template <class Items>
measurement run_between(const settings& given, Items middle,
                        std::uint64_t steps) {
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  report_box reports{*env, 2};
  const source<integers>::range all{.limit = given.items};
  auto line = puma::pipeline(*env, {.capacity = given.capacity})
              | puma::source_stage<source<integers>, std::int64_t>(
                "source", integers{}, all, reports.buffer())
              | std::move(middle)
              | puma::sink_stage<sink<integers>>("sink", integers{},
                                                 reports.buffer());
  auto running = line.run();
  rt.join();

  const auto result = reports.take();
  check("values", result.sinks.front().count, given.items);
  check("checksum", result.sinks.front().checksum,
        integers{}.expected(given.items, steps));
  return {.items = given.items, .seconds = result.seconds()};
}

} // namespace

measurement run_pipeline(const settings& given) {
  return run_between(
    given, puma::transform("step", [](std::int64_t x) { return x + 1; }), 1);
}

measurement run_batches(const settings& given) {
  return run_between(
    given,
    puma::batch("batch", {.count = 128, .time = 1ms})
      | puma::flat_map("unpack",
                       [](std::vector<std::int64_t> xs) { return xs; }),
    0);
}

} // namespace puma_bench
