// SPDX-License-Identifier: Apache-2.0

/// The yardstick of `puma-bench pool`: the same job with Boost.Asio's thread
/// pool, whose queue has no bound. Prints a line as puma-bench does.
///
///     asio_pool [ITEMS] [THREADS]

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>

int main(int argc, char** argv) {
  const long long count = argc > 1 ? std::atoll(argv[1]) : 1'000'000;
  const long long threads = argc > 2 ? std::atoll(argv[2]) : 0;
  if (count < 1 || threads < 0) {
    std::fprintf(stderr, "usage: asio_pool [ITEMS] [THREADS]\n");
    return 2;
  }
  const auto workers = threads != 0
                         ? static_cast<std::size_t>(threads)
                         : std::max(std::thread::hardware_concurrency(), 1u);
  std::atomic<long long> done = 0;
  boost::asio::thread_pool pool{workers};
  const auto begin = std::chrono::steady_clock::now();
  for (long long i = 0; i != count; ++i)
    boost::asio::post(
      pool, [&done] { done.fetch_add(1, std::memory_order_relaxed); });
  pool.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now()
                                             - begin;
  if (done != count) {
    std::fprintf(stderr, "asio_pool: wrong result\n");
    return 1;
  }
  std::printf(
    "{\"peer\":\"asio-thread-pool\",\"workload\":\"pool\","
    "\"items\":%lld,\"threads\":%zu,\"seconds\":%.6f,\"items_per_s\":%.0f}\n",
    count, workers, took.count(), static_cast<double>(count) / took.count());
}
