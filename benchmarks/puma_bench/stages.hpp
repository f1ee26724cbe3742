// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "benchmarks/puma_bench/clock.hpp"
#include "benchmarks/puma_bench/workloads.hpp"
#include "puma/puma.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// The runnables that several workloads share.
namespace puma_bench {

/// What a source or a sink tells at its end.
struct stage_report {
  std::int64_t time = 0;      ///< Of a source's first value, a sink's last.
  std::uint64_t count = 0;    ///< How many values it has made or consumed.
  std::uint64_t checksum = 0; ///< The sum of what the values gave to a sink.
  bool of_sink = false;
};

/// What all stages of a run have told.
struct run_summary {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::vector<stage_report> sinks;

  [[nodiscard]] double seconds() const noexcept {
    return seconds_between(begin, end);
  }
};

/// Collects reports through a buffer, since stages may be in other processes.
class report_box {
 public:
  /// For so many `stages`.
  report_box(const puma::environment& env, std::size_t stages);

  [[nodiscard]] const puma::buffer<stage_report>& buffer() const noexcept {
    return buffer_;
  }

  /// Returns what was told. To be called when all stages have ended. Throws
  /// `wrong_result` unless each has told something.
  [[nodiscard]] run_summary take();

 private:
  std::size_t stages_;
  puma::buffer<stage_report> buffer_;
  puma::publisher<stage_report> hold_; ///< Until the last stage has begun.
};

/// Makes the environment that the command line asks for.
[[nodiscard]] std::unique_ptr<puma::environment>
make_environment(puma::runtime& rt, const settings& given);

/// Publishes each value of `Items` from `first` in steps of `stride`.
template <class Items>
class source final : public puma::source_runnable {
 public:
  using value_type = typename Items::value_type;

  struct range {
    std::uint64_t first = 0;
    std::uint64_t limit = 0;
    std::uint64_t stride = 1;
  };

  source(const puma::buffer<value_type>& out, Items items, range which,
         puma::buffer<stage_report> reports)
    : source_runnable("source"),
      out_(publish_to(out)),
      items_(std::move(items)),
      which_(which),
      next_(which.first),
      reports_(std::move(reports)) {}

 protected:
  bool on_demand() override {
    if (begin_ == 0)
      begin_ = now_ns();
    do {
      out_.publish(items_.make(next_));
      next_ += which_.stride;
    } while (next_ < which_.limit && out_.room() != 0);
    if (next_ < which_.limit)
      return true;
    tell();
    return false;
  }

 private:
  // The output for the report is opened at the end, so that each hook before
  // has to do with one output only.
  void tell() {
    auto out = publish_to(reports_);
    out.publish(
      {.time = begin_, .count = (next_ - which_.first) / which_.stride});
    out.complete();
  }

  puma::publisher<value_type> out_;
  Items items_;
  range which_;
  std::uint64_t next_;
  std::int64_t begin_ = 0;
  puma::buffer<stage_report> reports_;
};

/// Consumes values until the stream ends.
template <class Items>
class sink final
  : public puma::single_buffer_servicing_runnable<typename Items::value_type> {
 public:
  using value_type = typename Items::value_type;

  sink(const puma::buffer<value_type>& in, Items items,
       puma::buffer<stage_report> reports)
    : puma::single_buffer_servicing_runnable<value_type>("sink", in),
      items_(std::move(items)),
      reports_(std::move(reports)) {}

 protected:
  void on_values(std::span<value_type> xs) override {
    auto sum = checksum_; // in a register: the values might alias a member
    for (auto& x : xs)
      sum += items_.eat(x);
    checksum_ = sum;
    count_ += xs.size();
  }

  void on_complete(const puma::failure* error) override {
    const auto end = now_ns();
    if (error)
      error->rethrow();
    auto out = this->publish_to(reports_);
    out.publish(
      {.time = end, .count = count_, .checksum = checksum_, .of_sink = true});
    out.complete();
  }

 private:
  Items items_;
  std::uint64_t checksum_ = 0;
  std::uint64_t count_ = 0;
  puma::buffer<stage_report> reports_;
};

} // namespace puma_bench
