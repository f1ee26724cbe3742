// SPDX-License-Identifier: Apache-2.0

// Encoding and decoding values that cross process boundaries, beside memcpy.

#include "puma/base/codec.hpp"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr std::size_t block_bytes = 1024 * 1024;
constexpr std::size_t run_length = 1000;

struct record {
  std::int64_t id;
  double value;
  std::string name;
};

/// What a record holds, wherever it holds it.
constexpr std::size_t record_bytes = 8 + 8 + 16;

std::vector<double> make_block() {
  return std::vector<double>(block_bytes / sizeof(double), 0.5);
}

std::vector<record> make_run() {
  return std::vector<record>(run_length, {7, 0.5, "sixteen letters!"});
}

void set_bytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes)
                          * state.iterations());
}

// -- vector<double> -----------------------------------------------------------

void copy_block(benchmark::State& state) {
  const auto x = make_block();
  std::unique_ptr<char[]> to{new char[block_bytes]};
  for (auto _ : state) {
    std::memcpy(to.get(), x.data(), block_bytes);
    benchmark::ClobberMemory();
  }
  set_bytes(state, block_bytes);
}

void encode_block(benchmark::State& state) {
  const auto x = make_block();
  puma::encoder to;
  for (auto _ : state) {
    to.clear();
    puma::encode(to, x);
    benchmark::ClobberMemory();
  }
  set_bytes(state, block_bytes);
}

void decode_block(benchmark::State& state) {
  puma::encoder to;
  puma::encode(to, make_block());
  for (auto _ : state) {
    puma::decoder from{to.bytes()};
    std::vector<double> x;
    puma::decode(from, x);
    benchmark::DoNotOptimize(x.data());
    benchmark::ClobberMemory();
  }
  set_bytes(state, block_bytes);
}

void decode_block_in_place(benchmark::State& state) {
  puma::encoder to;
  puma::encode(to, make_block());
  std::vector<double> x;
  for (auto _ : state) {
    puma::decoder from{to.bytes()};
    puma::decode(from, x);
    benchmark::ClobberMemory();
  }
  set_bytes(state, block_bytes);
}

// -- runs of records, as links encode and decode them -------------------------

void encode_run(benchmark::State& state) {
  const auto* ops = puma::detail::wire_ops_of<record>();
  const auto run = make_run();
  puma::encoder to;
  for (auto _ : state) {
    to.clear();
    ops->encode(to, run.data(), run.size());
    benchmark::ClobberMemory();
  }
  set_bytes(state, run_length * record_bytes);
}

void decode_run(benchmark::State& state) {
  const auto* ops = puma::detail::wire_ops_of<record>();
  const auto run = make_run();
  puma::encoder to;
  ops->encode(to, run.data(), run.size());
  std::allocator<record> memory;
  auto* values = memory.allocate(run_length);
  for (auto _ : state) {
    puma::decoder from{to.bytes()};
    const auto made = ops->decode(from, values, run_length);
    benchmark::ClobberMemory();
    std::destroy_n(values, made);
  }
  memory.deallocate(values, run_length);
  set_bytes(state, run_length * record_bytes);
}

void decode_vector(benchmark::State& state) {
  puma::encoder to;
  puma::encode(to, make_run());
  for (auto _ : state) {
    puma::decoder from{to.bytes()};
    std::vector<record> x;
    puma::decode(from, x);
    benchmark::DoNotOptimize(x.data());
  }
  set_bytes(state, run_length * record_bytes);
}

} // namespace

BENCHMARK(copy_block)->Name("codec/memcpy/block:1M");
BENCHMARK(encode_block)->Name("codec/encode/block:1M");
BENCHMARK(decode_block)->Name("codec/decode/block:1M");
BENCHMARK(decode_block_in_place)->Name("codec/decode_again/block:1M");
BENCHMARK(encode_run)->Name("codec/encode/records:1000");
BENCHMARK(decode_run)->Name("codec/decode/records:1000");
BENCHMARK(decode_vector)->Name("codec/decode_vector/records:1000");

BENCHMARK_MAIN();
