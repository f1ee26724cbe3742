// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/report.hpp"
#include "puma/puma.hpp"

#include <vector>

namespace puma_bench {

namespace {

class idle final : public puma::single_buffer_servicing_runnable<std::int64_t> {
 public:
  explicit idle(const puma::buffer<std::int64_t>& in)
    : single_buffer_servicing_runnable("idle", in) {}

 protected:
  void on_value(std::int64_t&) override {}
};

} // namespace

measurement run_spawn(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment env{rt};
  const auto bytes_before = resident_bytes();
  const auto begin = now_ns();

  std::vector<puma::buffer<std::int64_t>> buffers;
  std::vector<puma::runner> runners;
  buffers.reserve(given.items);
  runners.reserve(given.items);
  for (std::uint64_t i = 0; i != given.items; ++i) {
    buffers.push_back(env.make_buffer<std::int64_t>("in", given.capacity));
    runners.push_back(env.run<idle>(buffers.back()));
  }
  for (auto& x : runners)
    x.wait_until_running();
  const auto bytes_each = (resident_bytes() - bytes_before)
                          / static_cast<double>(given.items);

  rt.stop();
  rt.join();
  runners.clear();
  buffers.clear();
  const auto end = now_ns();
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .note = std::to_string(static_cast<std::int64_t>(bytes_each))
                  + " B/runnable, with its runner and buffer"};
}

} // namespace puma_bench
