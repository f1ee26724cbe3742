// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/items.hpp"
#include "benchmarks/puma_bench/stages.hpp"

#include <span>
#include <utility>

namespace puma_bench {

namespace {

template <class Items>
class processor final
  : public puma::single_buffer_servicing_runnable<typename Items::value_type> {
 public:
  using value_type = typename Items::value_type;

  processor(const puma::buffer<value_type>& in,
            const puma::buffer<value_type>& out, Items items)
    : puma::single_buffer_servicing_runnable<value_type>("processor", in),
      out_(this->publish_to(out)),
      items_(std::move(items)) {}

 protected:
  void on_values(std::span<value_type> xs) override {
    for (auto& x : xs) {
      items_.step(x);
      out_.publish(std::move(x));
    }
  }

 private:
  puma::publisher<value_type> out_;
  Items items_;
};

template <class Items>
measurement run_pipe3(const settings& given, Items items,
                      bool is_supervised = false) {
  using value_type = typename Items::value_type;
  puma::runtime rt{{.threads = given.threads}};
  const auto place = make_environment(rt, given);
  const auto guard = place->supervisor("guard",
                                       {.then = puma::on_failure::restart});
  const puma::environment* const env = is_supervised ? &guard : place.get();
  const auto made = env->make_buffer<value_type>("made", given.capacity);
  const auto stepped = env->make_buffer<value_type>("stepped", given.capacity);

  report_box reports{*env, 2};
  auto eat = env->run<sink<Items>>(stepped, items, reports.buffer());
  auto step = env->run<processor<Items>>(made, stepped, items);
  eat.wait_until_running();
  step.wait_until_running();
  const typename source<Items>::range all{.limit = given.items};
  auto make = env->run<source<Items>>(made, items, all, reports.buffer());
  rt.join();

  const auto result = reports.take();
  check("values", result.sinks.front().count, given.items);
  check("checksum", result.sinks.front().checksum,
        items.expected(given.items, 1));
  return {.items = given.items, .seconds = result.seconds()};
}

} // namespace

measurement run_pipe3_integers(const settings& given) {
  return run_pipe3(given, integers{});
}

measurement run_pipe3_supervised(const settings& given) {
  return run_pipe3(given, integers{}, true);
}

measurement run_pipe3_blocks(const settings& given) {
  if (given.processes)
    return run_pipe3(given, crossing_blocks{given.payload});
  return run_pipe3(given, blocks{given.payload});
}

} // namespace puma_bench
