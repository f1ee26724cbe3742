// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace puma_bench {

namespace {

std::int64_t next(std::int64_t x) {
  return x + 1;
}

puma::pool_options options_of(const settings& given) {
  return {.workers = given.threads, .backlog = given.capacity};
}

std::string note_of(const puma::pool<>& pool) {
  return std::to_string(pool.max_workers()) + " workers, one submitter";
}

} // namespace

measurement run_pool(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  puma::thread_environment env{rt};
  std::atomic<std::uint64_t> done = 0;
  puma::pool<> pool{"pool", env, options_of(given)};
  pool.submit([] {}).get(); // all workers have been started

  const auto begin = now_ns();
  for (std::uint64_t i = 0; i != given.items; ++i)
    pool.submit([&done] { done.fetch_add(1, std::memory_order_relaxed); });
  pool.join();
  const auto end = now_ns();

  check("jobs", done, given.items);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .note = note_of(pool)};
}

measurement run_pool_results(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  puma::thread_environment env{rt};
  auto results = env.make_buffer<std::int64_t>("results", given.capacity);
  std::uint64_t sum = 0;
  auto sink = env.run(puma::for_each("sink", results, [&sum](std::int64_t x) {
    sum += static_cast<std::uint64_t>(x);
  }));
  puma::pool<std::int64_t> pool{"pool", env, results, options_of(given)};

  const auto begin = now_ns();
  for (std::uint64_t i = 0; i != given.items; ++i)
    pool.submit<&next>(static_cast<std::int64_t>(i));
  pool.close();
  sink.join();
  const auto end = now_ns();

  check("sum", sum, given.items * (given.items + 1) / 2);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .note = "results go through a buffer to one sink"};
}

measurement run_across_pool(const settings& given) {
  puma::runtime rt;
  puma::process_environment env{rt};
  puma::pool<> pool{"pool", env, options_of(given)};
  for (std::size_t i = 0; i != 2 * pool.max_workers(); ++i)
    pool.submit<&next>(0).get(); // the processes run
  std::vector<puma::job<std::int64_t>> jobs;
  jobs.reserve(given.items);

  const auto begin = now_ns();
  for (std::uint64_t i = 0; i != given.items; ++i)
    jobs.push_back(pool.submit<&next>(static_cast<std::int64_t>(i)));
  std::uint64_t sum = 0;
  for (auto& x : jobs)
    sum += static_cast<std::uint64_t>(x.get());
  const auto end = now_ns();

  check("sum", sum, given.items * (given.items + 1) / 2);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .note = note_of(pool)};
}

} // namespace puma_bench
