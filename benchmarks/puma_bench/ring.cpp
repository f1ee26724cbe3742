// SPDX-License-Identifier: Apache-2.0

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <chrono>
#include <vector>

namespace puma_bench {

namespace {

using token = std::int64_t;

constexpr std::size_t ring_size = 1000;

/// Passes the token on until it has made all of its hops.
class node final : public puma::single_buffer_servicing_runnable<token> {
 public:
  node(const puma::buffer<token>& in, const puma::buffer<token>& out,
       puma::event done, std::int64_t* end)
    : single_buffer_servicing_runnable("node", in),
      out_(publish_to(out)),
      done_(std::move(done)),
      end_(end) {}

 protected:
  void on_value(token& hops_left) override {
    if (hops_left != 0) {
      out_.publish(hops_left - 1);
    } else {
      *end_ = now_ns();
      done_.set();
    }
  }

 private:
  puma::publisher<token> out_;
  puma::event done_;
  std::int64_t* end_;
};

} // namespace

measurement run_ring(const settings& given) {
  puma::runtime rt{{.threads = given.threads}};
  const puma::thread_environment env{rt};
  std::vector<puma::buffer<token>> buffers;
  for (std::size_t i = 0; i != ring_size; ++i)
    buffers.push_back(env.make_buffer<token>("ring", given.capacity));

  std::int64_t end = 0;
  const auto done = env.make_event("done");
  std::vector<puma::runner> nodes;
  for (std::size_t i = 0; i != ring_size; ++i)
    nodes.push_back(
      env.run<node>(buffers[i], buffers[(i + 1) % ring_size], done, &end));
  for (auto& x : nodes)
    x.wait_until_running();

  auto out = buffers.front().open_publisher();
  const auto begin = now_ns();
  out.publish(static_cast<token>(given.items));
  while (!done.wait_for(std::chrono::seconds{1})) {
    for (auto& x : nodes)
      x.check_for_exceptions();
  }
  rt.stop();
  rt.join();
  return {.items = given.items, .seconds = seconds_between(begin, end)};
}

} // namespace puma_bench
