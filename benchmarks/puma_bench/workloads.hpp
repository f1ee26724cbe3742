// SPDX-License-Identifier: Apache-2.0

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace puma_bench {

/// What the command line says about one run.
struct settings {
  std::uint64_t items = 0;
  std::size_t capacity = 1024;

  /// Size of a block in bytes; 0 where the values are integers.
  std::size_t payload = 0;

  /// Scheduler threads; 0 stands for one per core.
  std::size_t threads = 0;

  /// Whether each runnable gets a process of its own.
  bool processes = false;

  /// The address of the node where they are; empty: this host's. With `tls://`
  /// the files with certificate, key and CA.
  std::string node = {};
  std::string certificate = {};
  std::string key = {};
  std::string ca = {};
};

/// What one run has shown.
struct measurement {
  std::uint64_t items = 0;
  double seconds = 0;
  std::optional<double> p50_us = {};
  std::optional<double> p99_us = {};
  std::string note = {};
};

/// A run whose values did not arrive as they should have.
class wrong_result : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `wrong_result` unless both are equal.
void check(std::string_view what, std::uint64_t got, std::uint64_t expected);

/// One workload; the semantics are those of README.md.
struct workload {
  std::string_view name;
  std::uint64_t items; ///< The default number of items.
  std::size_t payload; ///< Size of a block in bytes; 0 for integers.
  measurement (*run)(const settings&);
  /// Why the environment cannot be chosen; empty if it can.
  std::string_view fixed_environment = {};
  /// Whether one of its runnables is in another process, perhaps at a node.
  bool has_other_side = false;
};

/// Returns all workloads.
[[nodiscard]] std::span<const workload> workloads() noexcept;

/// Returns the workload with this name, or null.
[[nodiscard]] const workload* find_workload(std::string_view name) noexcept;

/// Source, processor and sink. @pre `payload` is 0
measurement run_pipe3_integers(const settings& given);

/// The same with blocks. @pre `payload` is not 0
measurement run_pipe3_blocks(const settings& given);
measurement run_pipe3_supervised(const settings& given);
measurement run_restart(const settings& given);
measurement run_across_restart(const settings& given);

/// As the first, from functions and by the pipeline builder; and with a
/// batcher, and what takes its batches apart, in place of the processor.
measurement run_pipeline(const settings& given);
measurement run_batches(const settings& given);

/// One source that publishes each integer to four sinks.
measurement run_fan4(const settings& given);

/// The same with a multicaster between: copies of integers, shared blocks.
/// @pre `payload` is 0, not 0
measurement run_multicast_copies(const settings& given);
measurement run_multicast_shared(const settings& given);

/// A source, so many runnables that work on each value, and a sink. Without
/// any, a plain `transform`.
template <unsigned Runnables, unsigned Multiplications>
measurement run_parallel(const settings& given);

/// Four sources that share one buffer and one sink.
measurement run_mpsc4(const settings& given);

/// A paced thread that publishes time stamps to one sink.
measurement run_latency(const settings& given);

/// How late ticks are: of one runnable, of one beside another that is always
/// at work, and of up to 10,000 that tick every second.
measurement run_ticks(const settings& given);
measurement run_ticks_beside(const settings& given);
measurement run_many_ticks(const settings& given);

/// Calls of a runnable's method: by a plain thread that waits, and by a
/// runnable that does not.
measurement run_calls(const settings& given);
measurement run_async_calls(const settings& given);

/// Jobs of a pool in threads: with and without a buffer for the results.
measurement run_pool(const settings& given);
measurement run_pool_results(const settings& given);

/// Jobs of a pool whose workers are processes.
measurement run_across_pool(const settings& given);

/// One token that goes around 1000 runnables.
measurement run_ring(const settings& given);

/// A source in this process and a sink in another. @pre `payload` is 0
measurement run_across_integers(const settings& given);

/// The same with blocks. @pre `payload` is not 0
measurement run_across_blocks(const settings& given);

/// A paced thread that gets each of its time stamps back from another process.
measurement run_across_latency(const settings& given);

/// Start and end of runnables that have nothing to do.
measurement run_spawn(const settings& given);

} // namespace puma_bench
