# SPDX-License-Identifier: Apache-2.0

# The benchmarks: one puma_benchmark(...) or puma_bench_program(...) each. Paths
# are relative to benchmarks/.

puma_benchmark(buffer_bench SOURCES buffer_bench.cpp)
puma_benchmark(codec_bench SOURCES codec_bench.cpp)
puma_benchmark(hop_bench SOURCES hop_bench.cpp caf_yardstick.cpp)
puma_benchmark(shared_value_bench SOURCES shared_value_bench.cpp)

puma_bench_program(
  puma-bench
  SOURCES
  puma_bench/across.cpp
  puma_bench/call.cpp
  puma_bench/fan_in_out.cpp
  puma_bench/latency.cpp
  puma_bench/main.cpp
  puma_bench/options.cpp
  puma_bench/pipe3.cpp
  puma_bench/pool.cpp
  puma_bench/pipeline.cpp
  puma_bench/report.cpp
  puma_bench/restart.cpp
  puma_bench/ring.cpp
  puma_bench/routing.cpp
  puma_bench/spawn.cpp
  puma_bench/stages.cpp
  puma_bench/ticks.cpp
  puma_bench/workloads.cpp
  LIBRARIES
  CLI11::CLI11)

puma_bench_program(asio_pool SOURCES asio_pool.cpp)
puma_bench_program(caf_calls SOURCES caf_calls.cpp)
puma_bench_program(caf_round_trip SOURCES caf_round_trip.cpp)
puma_bench_program(log_bench SOURCES log_bench.cpp)
puma_bench_program(puma-soak SOURCES soak.cpp LIBRARIES CLI11::CLI11)

# As above: keeps each workload alive and says nothing about speed.
if(CMAKE_BUILD_TYPE MATCHES "^Rel")
  foreach(
    workload
    pipe3_i64
    pipe3_1k
    pipe3_1m
    pipe3_i64_supervised
    pipeline_i64
    batch_i64
    fan4_i64
    fan4_copies
    fan4_shared
    parallel0_i64
    parallel1_i64
    parallel2_i64
    parallel2_1us
    parallel2_100us
    mpsc4_i64
    call
    call_async
    lat
    ticks
    ticks_busy
    ticks10k
    pool
    pool_results
    ring1000
    spawn100k
    xproc_i64
    xproc_1k
    xproc_1m
    xproc_lat
    xproc_pool)
    add_test(NAME bench_puma-bench_${workload}
             COMMAND puma-bench ${workload} --items 1000 --capacity 16)
    set_tests_properties(bench_puma-bench_${workload}
                         PROPERTIES LABELS benchmarks TIMEOUT 60)
  endforeach()
  foreach(workload call call_async pipe3_i64 pipe3_1k pipe3_1m fan4_i64
                   fan4_copies fan4_shared parallel2_i64 mpsc4_i64)
    add_test(NAME bench_puma-bench_${workload}_processes
             COMMAND puma-bench ${workload}_c16 --env process --items 1000)
    set_tests_properties(bench_puma-bench_${workload}_processes
                         PROPERTIES LABELS benchmarks TIMEOUT 60)
  endforeach()
  foreach(workload restart xproc_restart)
    add_test(NAME bench_puma-bench_${workload} COMMAND puma-bench ${workload}
                                                       --items 10)
    set_tests_properties(bench_puma-bench_${workload}
                         PROPERTIES LABELS benchmarks TIMEOUT 60)
  endforeach()
  add_test(NAME bench_asio_pool COMMAND asio_pool 1000)
  set_tests_properties(bench_asio_pool PROPERTIES LABELS benchmarks TIMEOUT 60)
  add_test(NAME bench_log_bench COMMAND log_bench 1 1000)
  set_tests_properties(bench_log_bench PROPERTIES LABELS benchmarks TIMEOUT 60)
  add_test(NAME soak COMMAND puma-soak 5)
  set_tests_properties(soak PROPERTIES LABELS "benchmarks;process" TIMEOUT 120)
endif()

# What grows with the number of nodes.
puma_bench_program(node_bench SOURCES node_bench.cpp)
