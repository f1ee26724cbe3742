// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/multi_buffer_servicing_runnable.hpp"
#include "puma/actors/runner_group.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// The stages of `parallel_transform`. Values are numbered where they are
/// spread, one to each branch in turn, and taken from the branches in the same
/// turns. The numbers show what a branch has left out or has sent twice because
/// its supervisor restarted it.
namespace puma::detail {

template <class T>
struct numbered {
  std::uint64_t number = 0;
  T value;

  template <class Inspector>
  friend bool inspect(Inspector& f, numbered& x) {
    return f.object(x).fields(f.field("number", x.number),
                              f.field("value", x.value));
  }
};

template <class T>
class numbering final : public single_buffer_servicing_runnable<T> {
 public:
  /// Which argument it publishes to.
  static constexpr std::size_t token_argument = 2;

  numbering(std::string name, const buffer<T>& in,
            const std::vector<buffer<numbered<T>>>& outs)
    : single_buffer_servicing_runnable<T>(std::move(name), in) {
    for (auto& x : outs)
      outs_.push_back(this->publish_to(x));
  }

 protected:
  void on_value(T& value) override {
    outs_[turn_].publish({next_++, std::move(value)});
    turn_ = turn_ + 1 < outs_.size() ? turn_ + 1 : 0;
  }

 private:
  std::vector<publisher<numbered<T>>> outs_;
  std::size_t turn_ = 0;
  std::uint64_t next_ = 0;
};

template <class In, class Out, class F>
class numbered_transforming final
  : public single_buffer_servicing_runnable<numbered<In>> {
 public:
  /// Which argument it publishes to.
  static constexpr std::size_t token_argument = 2;

  numbered_transforming(std::string name, const buffer<numbered<In>>& in,
                        const buffer<numbered<Out>>& out, F&& function)
    : single_buffer_servicing_runnable<numbered<In>>(std::move(name), in),
      out_(this->publish_to(out)),
      function_(std::move(function)) {}

 protected:
  void on_value(numbered<In>& x) override {
    out_.publish({x.number, Out(std::invoke(function_, std::move(x.value)))});
  }

 private:
  publisher<numbered<Out>> out_;
  F function_;
};

/// Takes one value from each branch in turn; the other inputs rest meanwhile.
/// An error therefore comes after all values that were before it in the input.
template <class T>
class ordering final : public multi_buffer_servicing_runnable {
 public:
  /// Which argument it publishes to.
  static constexpr std::size_t token_argument = 2;

  /// `stop_others` is used at an error: nobody would take what they make.
  ordering(std::string name, const std::vector<buffer<numbered<T>>>& ins,
           const buffer<T>& out, stop_switch stop_others)
    : multi_buffer_servicing_runnable(std::move(name)),
      // All values that came early may become due at once.
      out_(publish_to(out, {.outbox = ins.size() + 16})),
      stop_others_(std::move(stop_others)) {
    for (auto& x : ins) {
      auto& to = branches_.emplace_back(*this, branches_.size());
      hold_input(add_input(x, to));
    }
    open_ = branches_.size();
    resume_input(0);
  }

 protected:
  bool on_error(const failure&) override {
    stop_others_();
    return false;
  }

 private:
  struct branch final : subscriber<numbered<T>> {
    branch(ordering& owner, std::size_t index) : to(owner), place(index) {}

    void on_value(numbered<T>& x) override { to.take(*this, x); }

    void on_complete(const failure* error) override {
      subscriber<numbered<T>>::on_complete(error);
      to.close(*this, error != nullptr);
    }

    ordering& to;
    const std::size_t place;
    bool is_open = true;
    std::optional<numbered<T>> early;
  };

  /// Takes a value from the branch whose turn it is.
  void take(branch& from, numbered<T>& x) {
    if (x.number < next_)
      return; // was there already before its branch was restarted
    if (x.number == next_)
      out_.publish(std::move(x.value));
    else
      from.early.emplace(std::move(x)); // the branch has given up on one
    go_on(from);
  }

  void close(branch& from, bool failed) {
    from.is_open = false;
    --open_;
    if (!failed && from.place == turn_)
      go_on(from);
  }

  void go_on(branch& from) {
    for (;;) {
      ++next_;
      turn_ = turn_ + 1 < branches_.size() ? turn_ + 1 : 0;
      auto& x = branches_[turn_];
      if (x.early) {
        if (x.early->number == next_) {
          out_.publish(std::move(x.early->value));
          x.early.reset();
        }
      } else if (x.is_open) {
        if (&x != &from) {
          hold_input(from.place);
          resume_input(turn_);
        }
        return;
      } else if (open_ == 0 && !has_early()) {
        return;
      }
    }
  }

  [[nodiscard]] bool has_early() const {
    for (auto& x : branches_)
      if (x.early)
        return true;
    return false;
  }

  publisher<T> out_;
  stop_switch stop_others_;
  std::deque<branch> branches_; // inputs refer to them
  std::size_t open_ = 0;
  std::size_t turn_ = 0;
  std::uint64_t next_ = 0; // belongs to the branch whose turn it is
};

} // namespace puma::detail
