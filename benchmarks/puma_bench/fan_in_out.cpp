// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/items.hpp"
#include "benchmarks/puma_bench/stages.hpp"

#include <algorithm>
#include <array>

namespace puma_bench {

namespace {

using value_buffer = puma::buffer<std::int64_t>;

constexpr std::size_t width = 4;

/// Publishes each integer to all of its outputs.
class spreading_source final : public puma::source_runnable {
 public:
  spreading_source(const std::vector<value_buffer>& outs, std::uint64_t items,
                   std::int64_t* begin)
    : source_runnable("source"),
      items_(items),
      begin_(begin) {
    for (const auto& out : outs)
      outs_.push_back(publish_to(out));
  }

 protected:
  void on_start() override { *begin_ = now_ns(); }

  bool on_demand() override {
    const auto value = static_cast<std::int64_t>(next_);
    for (auto& out : outs_)
      out.publish(value);
    return ++next_ < items_;
  }

 private:
  std::vector<puma::publisher<std::int64_t>> outs_;
  std::uint64_t next_ = 0;
  std::uint64_t items_;
  std::int64_t* begin_;
};

} // namespace

measurement run_fan4(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment env{rt};
  std::vector<value_buffer> outs;
  std::array<sink_result, width> results;
  std::vector<puma::runner> sinks;
  for (auto& result : results) {
    outs.push_back(env.make_buffer<std::int64_t>("made", given.capacity));
    sinks.push_back(env.run<sink<integers>>(outs.back(), integers{}, &result));
  }
  for (auto& eat : sinks)
    eat.wait_until_running();

  std::int64_t begin = 0;
  auto make = env.run<spreading_source>(outs, given.items, &begin);
  rt.join();

  std::int64_t end = 0;
  for (const auto& result : results) {
    check("checksum", result.checksum, integers{}.expected(given.items, 0));
    end = std::max(end, result.end);
  }
  return {.items = given.items, .seconds = seconds_between(begin, end)};
}

measurement run_mpsc4(const settings& given) {
  // Each source makes the same number of values.
  const auto items = std::max(given.items - given.items % width,
                              std::uint64_t{width});
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment env{rt};
  const auto made = env.make_buffer<std::int64_t>("made", given.capacity);
  sink_result result;
  auto eat = env.run<sink<integers>>(made, integers{}, &result);
  eat.wait_until_running();

  // Holds the stream open: a source may end before the next one has started.
  auto hold = made.open_publisher();
  std::array<std::int64_t, width> begins{};
  std::vector<puma::runner> sources;
  for (std::size_t i = 0; i != width; ++i) {
    const source<integers>::range part{
      .first = i, .limit = items, .stride = width};
    sources.push_back(
      env.run<source<integers>>(made, integers{}, part, &begins[i]));
  }
  hold.close();
  rt.join();

  check("checksum", result.checksum, integers{}.expected(items, 0));
  const auto begin = *std::ranges::min_element(begins);
  return {.items = items, .seconds = seconds_between(begin, result.end)};
}

} // namespace puma_bench
