// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/items.hpp"
#include "benchmarks/puma_bench/stages.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace puma_bench {

namespace {

constexpr std::size_t width = 4;

/// Blocks that all who get them share; in another process, one each.
struct shared_blocks {
  using value_type = std::shared_ptr<const std::string>;

  crossing_blocks inner;

  [[nodiscard]] value_type make(std::uint64_t index) const {
    return std::make_shared<const std::string>(inner.make(index));
  }

  [[nodiscard]] std::uint64_t eat(const value_type& x) const {
    return inner.eat(*x);
  }

  [[nodiscard]] std::uint64_t expected(std::uint64_t items,
                                       std::uint64_t steps) const noexcept {
    return inner.expected(items, steps);
  }
};

template <class Items>
measurement run_multicast(const settings& given, Items items) {
  using value_type = typename Items::value_type;
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  report_box reports{*env, width + 1};
  const auto made = env->make_buffer<value_type>("made", given.capacity);
  std::vector<puma::buffer<value_type>> outs;
  std::vector<puma::runner> sinks;
  for (std::size_t i = 0; i != width; ++i) {
    outs.push_back(env->make_buffer<value_type>("copied", given.capacity));
    sinks.push_back(
      env->run<sink<Items>>(outs.back(), items, reports.buffer()));
  }
  auto cast = env->run<puma::multicaster<value_type>>("cast", made, outs);
  cast.wait_until_running();
  for (auto& eat : sinks)
    eat.wait_until_running();

  const typename source<Items>::range all{.limit = given.items};
  auto make = env->run<source<Items>>(made, items, all, reports.buffer());
  rt.join();

  const auto result = reports.take();
  for (const auto& x : result.sinks) {
    check("values", x.count, given.items);
    check("checksum", x.checksum, items.expected(given.items, 0));
  }
  return {.items = given.items, .seconds = result.seconds()};
}

/// Increments `x`, after a chain of so many multiplications, each of which
/// needs the one before.
template <unsigned Multiplications>
std::int64_t work_on(std::int64_t x) {
  auto state = static_cast<std::uint64_t>(x) | 1u;
  for (unsigned i = 0; i != Multiplications; ++i)
    state = (state ^ (state >> 32u)) * 6364136223846793005u;
  // The compiler does not know that it never gets there.
  return state == 0 ? 0 : x + 1;
}

} // namespace

measurement run_multicast_copies(const settings& given) {
  return run_multicast(given, integers{});
}

measurement run_multicast_shared(const settings& given) {
  return run_multicast(given, shared_blocks{{given.payload}});
}

template <unsigned Runnables, unsigned Multiplications>
measurement run_parallel(const settings& given) {
  constexpr integers items;
  puma::runtime rt{{.threads = given.threads}};
  const auto env = make_environment(rt, given);
  const auto made = env->make_buffer<std::int64_t>("made", given.capacity);
  const auto done = env->make_buffer<std::int64_t>("done", given.capacity);
  report_box reports{*env, 2};
  auto eat = env->run<sink<integers>>(done, items, reports.buffer());
  eat.wait_until_running();
  const auto work = [](std::int64_t x) { return work_on<Multiplications>(x); };
  puma::runner one;
  puma::runner_group many;
  if constexpr (Runnables == 0) {
    one = env->run(puma::transform("work", made, done, work));
    one.wait_until_running();
  } else {
    many = env->run(
      puma::parallel_transform("work", made, done, Runnables, work));
    many.wait_until_running();
  }
  const source<integers>::range all{.limit = given.items};
  auto make = env->run<source<integers>>(made, items, all, reports.buffer());
  rt.join();

  const auto result = reports.take();
  check("values", result.sinks.front().count, given.items);
  check("checksum", result.sinks.front().checksum,
        items.expected(given.items, 1));
  return {.items = given.items, .seconds = result.seconds()};
}

// Nothing, about 1 µs, about 100 µs.
template measurement run_parallel<0, 0>(const settings& given);
template measurement run_parallel<1, 0>(const settings& given);
template measurement run_parallel<2, 0>(const settings& given);
template measurement run_parallel<0, 1000>(const settings& given);
template measurement run_parallel<1, 1000>(const settings& given);
template measurement run_parallel<2, 1000>(const settings& given);
template measurement run_parallel<0, 100'000>(const settings& given);
template measurement run_parallel<1, 100'000>(const settings& given);
template measurement run_parallel<2, 100'000>(const settings& given);

} // namespace puma_bench
