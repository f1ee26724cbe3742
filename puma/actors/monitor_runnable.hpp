// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/printing.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/multi_buffer_servicing_runnable.hpp"

#include <cstdint>
#include <iostream>
#include <string>
#include <tuple>
#include <utility>

namespace puma {

/// Prints what arrives on any number of buffers, for debugging: a line on the
/// standard output for each value and each end of a stream. It takes the values
/// away, so it stands where a stream ends:
///
///     auto watch = env.run(puma::monitor("watch", squares, errors));
///
/// Numbers, strings, ranges, tuples, optionals and plain aggregates of such are
/// printed in full, and everything that has an `operator<<`; of other values,
/// the type.
template <class... Ts>
class monitor_runnable final : public multi_buffer_servicing_runnable {
 public:
  explicit monitor_runnable(std::string name, const buffer<Ts>&... inputs)
    : multi_buffer_servicing_runnable(std::move(name)),
      lines_(lines<Ts>{this->name(), std::string{inputs.name()}}...) {
    std::apply([&](auto&... xs) { (add_input(inputs, xs), ...); }, lines_);
  }

 private:
  template <class T>
  class lines final : public subscriber<T> {
   public:
    lines(std::string monitor, std::string source)
      : prefix_(std::move(monitor) + ": " + std::move(source) + ": ") {}

    void on_value(T& value) override {
      print(std::to_string(++count_) + ": " + detail::text_of(value));
    }

    void on_complete(const failure* error) override {
      print(error ? "failed: " + error->describe() : std::string{"completed"});
      subscriber<T>::on_complete(error); // an error ends the monitor, too
    }

   private:
    /// As one piece, so that lines of several monitors do not mix.
    void print(const std::string& text) const {
      std::cout << prefix_ + text + '\n' << std::flush;
    }

    std::string prefix_;
    std::uint64_t count_ = 0;
  };

  std::tuple<lines<Ts>...> lines_;
};

/// A recipe for a `monitor_runnable` of these buffers.
template <class... Ts>
[[nodiscard]] auto monitor(std::string name, const buffer<Ts>&... inputs) {
  static_assert(sizeof...(Ts) != 0, "monitor: needs at least one buffer");
  return detail::make_function_recipe<monitor_runnable<Ts...>>(std::move(name),
                                                               inputs...);
}

} // namespace puma
