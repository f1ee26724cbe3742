// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <algorithm>
#include <vector>

namespace puma_bench {

namespace {

constexpr std::int64_t period_ns = 500'000; // 2000 values in a second
constexpr std::int64_t head_start_ns = 10'000'000;

/// Notes how old each time stamp is.
class stamp_reader final
  : public puma::single_buffer_servicing_runnable<std::int64_t> {
 public:
  stamp_reader(const puma::buffer<std::int64_t>& in,
               std::vector<double>* ages_us)
    : single_buffer_servicing_runnable("sink", in),
      ages_us_(ages_us) {}

 protected:
  void on_value(std::int64_t& stamp) override {
    ages_us_->push_back(static_cast<double>(now_ns() - stamp) / 1e3);
  }

 private:
  std::vector<double>* ages_us_;
};

} // namespace

measurement run_latency(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment env{rt};
  const auto stamps = env.make_buffer<std::int64_t>("stamps", given.capacity);
  std::vector<double> ages_us;
  ages_us.reserve(given.items);
  auto out = stamps.open_publisher();
  auto reader = env.run<stamp_reader>(stamps, &ages_us);
  reader.wait_until_running();

  const auto begin = now_ns() + head_start_ns;
  for (std::uint64_t i = 0; i != given.items; ++i) {
    sleep_until_ns(begin + static_cast<std::int64_t>(i) * period_ns);
    if (out.publish(now_ns()) != puma::publish_result::accepted)
      break;
  }
  out.complete();
  rt.join();
  const auto end = now_ns();

  check("time stamps", ages_us.size(), given.items);
  std::ranges::sort(ages_us);
  return {.items = given.items,
          .seconds = seconds_between(begin, end),
          .p50_us = ages_us[ages_us.size() / 2],
          .p99_us = ages_us[ages_us.size() * 99 / 100],
          .note = "plain thread publishes to one runnable"};
}

} // namespace puma_bench
