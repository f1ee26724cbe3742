// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/multi_buffer_servicing_runnable.hpp"
#include "puma/base/error.hpp"

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace puma {

/// In which order a `merger` takes values from its inputs.
enum class merging {
  fifo,        ///< As they come.
  round_robin, ///< Strictly one from each in turn; inputs that have ended are
               ///< left out.
};

/// Publishes the values of all its inputs to one output, which completes when
/// the last input has.
///
/// *Round robin.* While it is one input's turn, the others are held back: their
/// values wait in their buffers.
///
/// *Failure.* An error of an input ends the merger and fails the output: with
/// `fifo` at once, with `round_robin` when it is that input's turn.
template <class T>
class merger : public multi_buffer_servicing_runnable {
 public:
  using value_type = T;

  merger(std::string name, const std::vector<buffer<T>>& inputs,
         const buffer<T>& out, merging how = merging::fifo)
    : multi_buffer_servicing_runnable(std::move(name)),
      // What comes as a batch leaves as one.
      out_(publish_to(out, {.outbox = unlimited_outbox})),
      all_(*this) {
    for (auto& x : inputs) {
      if (how == merging::fifo)
        add_input(x, all_);
      else
        hold_input(add_input(x, in_turn_.emplace_back(*this, in_turn_.size())));
    }
    if (!in_turn_.empty())
      resume_input(0);
  }

 private:
  struct any_input final : subscriber<T> {
    explicit any_input(merger& owner) : to(owner) {}

    void on_values(std::span<T> values) override {
      for (auto& x : values)
        to.out_.publish(std::move(x));
    }

    merger& to;
  };

  struct one_input final : subscriber<T> {
    one_input(merger& owner, std::size_t index) : to(owner), place(index) {}

    void on_value(T& x) override {
      to.out_.publish(std::move(x));
      to.pass_turn(*this);
    }

    void on_complete(const failure* error) override {
      subscriber<T>::on_complete(error);
      is_open = false;
      to.pass_turn(*this);
    }

    merger& to;
    const std::size_t place;
    bool is_open = true;
  };

  /// Does nothing unless it is `from`'s turn: at the end all inputs end.
  void pass_turn(one_input& from) {
    if (from.place != turn_)
      return;
    for (auto n = in_turn_.size(); n != 0; --n) {
      turn_ = turn_ + 1 < in_turn_.size() ? turn_ + 1 : 0;
      if (in_turn_[turn_].is_open)
        break;
    }
    if (turn_ != from.place) {
      hold_input(from.place);
      resume_input(turn_);
    }
  }

  publisher<T> out_;
  any_input all_;
  std::deque<one_input> in_turn_; // inputs refer to them
  std::size_t turn_ = 0;
};

} // namespace puma
