// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "benchmarks/puma_bench/clock.hpp"
#include "puma/puma.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The runnables that several workloads share.
namespace puma_bench {

/// What a sink leaves behind.
struct sink_result {
  std::int64_t end = 0;       ///< When the last value had been consumed.
  std::uint64_t checksum = 0; ///< The sum of what the values gave.
};

/// Publishes each value of `Items` from `first` in steps of `stride`. Values
/// go to every output.
template <class Items>
class source final : public puma::source_runnable {
 public:
  using value_type = typename Items::value_type;

  struct range {
    std::uint64_t first = 0;
    std::uint64_t limit = 0;
    std::uint64_t stride = 1;
  };

  /// `begin` gets the time of the first value.
  source(const puma::buffer<value_type>& out, Items items, range which,
         std::int64_t* begin)
    : source_runnable("source"),
      out_(publish_to(out)),
      items_(std::move(items)),
      next_(which.first),
      limit_(which.limit),
      stride_(which.stride),
      begin_(begin) {}

 protected:
  void on_start() override { *begin_ = now_ns(); }

  bool on_demand() override {
    do {
      out_.publish(items_.make(next_));
      next_ += stride_;
    } while (next_ < limit_ && out_.room() != 0);
    return next_ < limit_;
  }

 private:
  puma::publisher<value_type> out_;
  Items items_;
  std::uint64_t next_;
  std::uint64_t limit_;
  std::uint64_t stride_;
  std::int64_t* begin_;
};

/// Consumes values until the stream ends.
template <class Items>
class sink final
  : public puma::single_buffer_servicing_runnable<typename Items::value_type> {
 public:
  using value_type = typename Items::value_type;

  sink(const puma::buffer<value_type>& in, Items items, sink_result* result)
    : puma::single_buffer_servicing_runnable<value_type>("sink", in),
      items_(std::move(items)),
      result_(result) {}

 protected:
  void on_values(std::span<value_type> xs) override {
    auto sum = checksum_; // in a register: the values might alias a member
    for (auto& x : xs)
      sum += items_.eat(x);
    checksum_ = sum;
  }

  void on_complete(const puma::failure* error) override {
    if (error)
      error->rethrow();
    *result_ = {now_ns(), checksum_};
  }

 private:
  Items items_;
  std::uint64_t checksum_ = 0;
  sink_result* result_;
};

} // namespace puma_bench
