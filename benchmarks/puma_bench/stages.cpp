// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/stages.hpp"

#include <algorithm>
#include <limits>

namespace puma_bench {

report_box::report_box(const puma::environment& env, std::size_t stages)
  : stages_(stages),
    buffer_(env.make_buffer<stage_report>("reports", stages)),
    hold_(buffer_.open_publisher()) {}

run_summary report_box::take() {
  hold_.complete();
  run_summary result;
  result.begin = std::numeric_limits<std::int64_t>::max();
  std::uint64_t count = 0;
  auto in = buffer_.subscribe();
  for (const auto& x : in) {
    ++count;
    if (x.of_sink) {
      result.end = std::max(result.end, x.time);
      result.sinks.push_back(x);
    } else {
      result.begin = std::min(result.begin, x.time);
    }
  }
  check("reports", count, stages_);
  return result;
}

std::unique_ptr<puma::environment> make_environment(puma::runtime& rt,
                                                    const settings& given) {
  if (!given.node.empty()) {
    puma::node_options options;
    options.threads = given.threads;
    options.credentials = {.certificate = given.certificate,
                           .key = given.key,
                           .ca = given.ca,
                           .insecure = true};
    return std::make_unique<puma::node>(rt.connect(given.node, options));
  }
  if (given.processes)
    return std::make_unique<puma::process_environment>(
      rt, puma::process_options{.threads = given.threads});
  return std::make_unique<puma::thread_environment>(rt);
}

} // namespace puma_bench
