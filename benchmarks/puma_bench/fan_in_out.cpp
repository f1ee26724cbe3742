// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/items.hpp"
#include "benchmarks/puma_bench/stages.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace puma_bench {

namespace {

using value_buffer = puma::buffer<std::int64_t>;

constexpr std::size_t width = 4;

/// Publishes each integer to all of its outputs.
class spreading_source final : public puma::source_runnable {
 public:
  spreading_source(const std::vector<value_buffer>& outs, std::uint64_t items,
                   puma::buffer<stage_report> reports)
    : source_runnable("source"),
      items_(items),
      reports_(std::move(reports)) {
    for (const auto& out : outs)
      outs_.push_back(publish_to(out));
  }

 protected:
  bool on_demand() override {
    if (next_ == 0)
      begin_ = now_ns();
    const auto value = static_cast<std::int64_t>(next_);
    for (auto& out : outs_)
      out.publish(value);
    if (++next_ < items_)
      return true;
    auto out = publish_to(reports_);
    out.publish({.time = begin_, .count = next_});
    out.complete();
    return false;
  }

 private:
  std::vector<puma::publisher<std::int64_t>> outs_;
  std::uint64_t next_ = 0;
  std::uint64_t items_;
  std::int64_t begin_ = 0;
  puma::buffer<stage_report> reports_;
};

} // namespace

measurement run_fan4(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  report_box reports{*env, width + 1};
  std::vector<value_buffer> outs;
  std::vector<puma::runner> sinks;
  for (std::size_t i = 0; i != width; ++i) {
    outs.push_back(env->make_buffer<std::int64_t>("made", given.capacity));
    sinks.push_back(
      env->run<sink<integers>>(outs.back(), integers{}, reports.buffer()));
  }
  for (auto& eat : sinks)
    eat.wait_until_running();

  auto make = env->run<spreading_source>(outs, given.items, reports.buffer());
  rt.join();

  const auto result = reports.take();
  for (const auto& x : result.sinks) {
    check("values", x.count, given.items);
    check("checksum", x.checksum, integers{}.expected(given.items, 0));
  }
  return {.items = given.items, .seconds = result.seconds()};
}

measurement run_mpsc4(const settings& given) {
  // Each source makes the same number of values.
  const auto items = std::max(given.items - given.items % width,
                              std::uint64_t{width});
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  report_box reports{*env, width + 1};
  const auto made = env->make_buffer<std::int64_t>("made", given.capacity);
  auto eat = env->run<sink<integers>>(made, integers{}, reports.buffer());
  eat.wait_until_running();

  // Holds the stream open: a source may end before the next one has started.
  auto hold = made.open_publisher();
  std::vector<puma::runner> sources;
  for (std::size_t i = 0; i != width; ++i) {
    const source<integers>::range part{
      .first = i, .limit = items, .stride = width};
    sources.push_back(
      env->run<source<integers>>(made, integers{}, part, reports.buffer()));
  }
  hold.close();
  rt.join();

  const auto result = reports.take();
  check("values", result.sinks.front().count, items);
  check("checksum", result.sinks.front().checksum,
        integers{}.expected(items, 0));
  return {.items = items, .seconds = result.seconds()};
}

} // namespace puma_bench
