// SPDX-License-Identifier: Apache-2.0

// A buffer between two plain threads, or within one, beside a bounded deque
// with a mutex and two condition variables.

#include "benchmarks/locked_queue.hpp"
#include "puma/buffers/buffer.hpp"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace {

// -- values -------------------------------------------------------------------

using block = std::unique_ptr<char[]>;
constexpr std::size_t block_bytes = 1024;

void make(std::int64_t& x, std::uint64_t index) {
  x = static_cast<std::int64_t>(index);
}

void make(block& x, std::uint64_t index) {
  x.reset(new char[block_bytes]); // not zeroed, unlike make_unique
  std::memset(x.get(), static_cast<int>(1 + index % 200), block_bytes);
}

void use(std::int64_t x) {
  benchmark::DoNotOptimize(x);
}

void use(const block& x) {
  benchmark::DoNotOptimize(std::memchr(x.get(), 0, block_bytes));
}

// -- channels -----------------------------------------------------------------

/// A buffer with both of its ends.
template <class T>
class puma_channel {
 public:
  using value_type = T;

  explicit puma_channel(std::size_t capacity)
    : buffer_("values", capacity),
      in_(buffer_.open_publisher()),
      out_(buffer_.subscribe()) {}

  void push(T&& x) { in_.publish(std::move(x)); }

  bool try_push(T&& x) {
    return in_.try_publish(std::move(x)) == puma::publish_result::accepted;
  }

  void end() { in_.complete(); }

  std::optional<T> pop() { return out_.next(); }

  auto try_pop() { return out_.try_next(); }

 private:
  puma::buffer<T> buffer_;
  puma::publisher<T> in_;
  puma::subscription<T> out_;
};

template <class T>
class locked_channel : public puma_bench::locked_queue<T> {
 public:
  using value_type = T;
  using puma_bench::locked_queue<T>::locked_queue;
};

// -- benchmarks ---------------------------------------------------------------

/// One thread publishes all the time, the measuring one receives.
template <class Channel>
void spsc(benchmark::State& state) {
  Channel channel{static_cast<std::size_t>(state.range(0))};
  std::atomic<bool> enough{false};
  std::thread producer{[&] {
    typename Channel::value_type value{};
    for (std::uint64_t i = 0; !enough.load(std::memory_order_relaxed); ++i) {
      make(value, i);
      channel.push(std::move(value));
    }
    channel.end();
  }};
  for (auto _ : state) {
    auto value = channel.pop();
    use(*value);
  }
  enough = true;
  while (channel.pop()) {
    // Lets the producer see that it is enough.
  }
  producer.join();
  state.SetItemsProcessed(state.iterations());
}

/// One thread at both ends, one value at a time.
template <class Channel>
void one_thread(benchmark::State& state) {
  Channel channel{static_cast<std::size_t>(state.range(0))};
  std::uint64_t index = 0;
  typename Channel::value_type value{};
  for (auto _ : state) {
    make(value, index++);
    if (!channel.try_push(std::move(value))) {
      state.SkipWithError("an empty buffer refused a value");
      break;
    }
    auto taken = channel.try_pop();
    use(*taken);
  }
  state.SetItemsProcessed(state.iterations());
}

template <template <class> class Channel>
void declare(const std::string& prefix) {
  const auto add = [&](const std::string& name, auto* run) {
    return benchmark::RegisterBenchmark((prefix + name).c_str(), run)
      ->ArgName("capacity")
      ->UseRealTime();
  };
  for (const std::int64_t capacity : {16, 64, 1024}) {
    add("spsc/int64", &spsc<Channel<std::int64_t>>)->Arg(capacity);
    add("spsc/block_1k", &spsc<Channel<block>>)->Arg(capacity);
  }
  add("one_thread/int64", &one_thread<Channel<std::int64_t>>)->Arg(1024);
  add("one_thread/block_1k", &one_thread<Channel<block>>)->Arg(1024);
}

} // namespace

int main(int argc, char** argv) {
  declare<puma_channel>("buffer/");
  declare<locked_channel>("yardstick/mutex_deque/");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
