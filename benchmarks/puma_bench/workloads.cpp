// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/workloads.hpp"

#include <algorithm>
#include <array>

namespace puma_bench {

namespace {

constexpr std::size_t kib = 1024;

constexpr std::string_view across = "has one runnable here and one in a worker";

constexpr std::string_view own_clock = "reads one process's memory";

constexpr std::string_view own_pool
  = "is for threads; xproc_pool is its counterpart";

constexpr std::array table{
  workload{"pipe3_i64", 1'000'000, 0, &run_pipe3_integers},
  workload{"pipe3_1k", 300'000, kib, &run_pipe3_blocks},
  workload{"pipe3_1m", 3000, kib* kib, &run_pipe3_blocks},
  workload{"pipe3_i64_supervised", 1'000'000, 0, &run_pipe3_supervised},
  workload{"pipeline_i64", 1'000'000, 0, &run_pipeline},
  workload{"batch_i64", 1'000'000, 0, &run_batches},
  workload{"fan4_i64", 1'000'000, 0, &run_fan4},
  workload{"fan4_copies", 1'000'000, 0, &run_multicast_copies},
  workload{"fan4_shared", 300'000, kib, &run_multicast_shared},
  workload{"parallel0_i64", 1'000'000, 0, &run_parallel<0, 0>},
  workload{"parallel1_i64", 1'000'000, 0, &run_parallel<1, 0>},
  workload{"parallel2_i64", 1'000'000, 0, &run_parallel<2, 0>},
  workload{"parallel0_1us", 200'000, 0, &run_parallel<0, 1000>},
  workload{"parallel1_1us", 200'000, 0, &run_parallel<1, 1000>},
  workload{"parallel2_1us", 200'000, 0, &run_parallel<2, 1000>},
  workload{"parallel0_100us", 3000, 0, &run_parallel<0, 100'000>},
  workload{"parallel1_100us", 3000, 0, &run_parallel<1, 100'000>},
  workload{"parallel2_100us", 3000, 0, &run_parallel<2, 100'000>},
  workload{"mpsc4_i64", 1'000'000, 0, &run_mpsc4},
  workload{"lat", 4000, 0, &run_latency,
           "reads one process's memory; xproc_lat is its counterpart"},
  workload{"ticks", 2000, 0, &run_ticks, own_clock},
  workload{"ticks_busy", 2000, 0, &run_ticks_beside, own_clock},
  workload{"ticks10k", 30'000, 0, &run_many_ticks, own_clock},
  workload{"call", 100'000, 0, &run_calls},
  workload{"call_async", 200'000, 0, &run_async_calls},
  workload{"ring1000", 1'000'000, 0, &run_ring, "would need 1000 processes"},
  workload{"spawn100k", 100'000, 0, &run_spawn, "would need 100,000 processes"},
  workload{"xproc_i64", 1'000'000, 0, &run_across_integers, across, true},
  workload{"xproc_1k", 300'000, kib, &run_across_blocks, across, true},
  workload{"xproc_1m", 3000, kib* kib, &run_across_blocks, across, true},
  workload{"xproc_lat", 2000, 0, &run_across_latency, across, true},
  workload{"pool", 1'000'000, 0, &run_pool, own_pool},
  workload{"pool_results", 1'000'000, 0, &run_pool_results, own_pool},
  workload{"xproc_pool", 20'000, 0, &run_across_pool, across},
  workload{"restart", 2000, 0, &run_restart,
           "is for threads; xproc_restart is its counterpart"},
  workload{"xproc_restart", 100, 0, &run_across_restart, across},
};

} // namespace

void check(std::string_view what, std::uint64_t got, std::uint64_t expected) {
  if (got != expected)
    throw wrong_result{std::string{what} + ": got " + std::to_string(got)
                       + ", expected " + std::to_string(expected)};
}

std::span<const workload> workloads() noexcept {
  return table;
}

const workload* find_workload(std::string_view name) noexcept {
  const auto found = std::ranges::find(table, name, &workload::name);
  return found == table.end() ? nullptr : &*found;
}

} // namespace puma_bench
