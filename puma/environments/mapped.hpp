// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/job.hpp"

#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

namespace puma {

/// The results of `executor::map`, in the order of the inputs: a range to go
/// through once, with `for`. Inputs are taken, and jobs submitted, only as far
/// as there are not more jobs under way than the window allows.
///
/// `*i` waits for the result, and throws the job's error; `++i` goes on behind
/// it. When the range goes, jobs that have not begun are cancelled.
///
/// *Threads.* To be used by one thread at a time, and not moved once `begin`
/// has been called. Inputs that were an lvalue must live as long.
template <class Range, class Submit>
class mapped {
  using input_iterator = decltype(std::begin(
    std::declval<std::remove_reference_t<Range>&>()));
  using input_end = decltype(std::end(
    std::declval<std::remove_reference_t<Range>&>()));
  using job_type = std::invoke_result_t<Submit&,
                                        std::iter_reference_t<input_iterator>>;

 public:
  using value_type = decltype(std::declval<job_type&>().get());

  static_assert(!std::is_void_v<value_type>,
                "map: the function must return something");

  mapped(Range&& inputs, Submit submit, std::size_t window)
    : inputs_(std::forward<Range>(inputs)),
      submit_(std::move(submit)),
      window_(window) {}

  mapped(mapped&&) = default;
  mapped& operator=(mapped&&) = delete;

  ~mapped() {
    for (auto& x : jobs_)
      if (x.valid())
        x.cancel();
  }

  class iterator {
   public:
    using value_type = mapped::value_type;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::input_iterator_tag;

    iterator() noexcept = default;

    explicit iterator(mapped& from) noexcept : from_(&from) {}

    value_type& operator*() const { return from_->current(); }

    value_type* operator->() const { return &from_->current(); }

    iterator& operator++() {
      from_->go_on();
      return *this;
    }

    void operator++(int) { ++*this; }

    friend bool operator==(const iterator& x, std::default_sentinel_t) {
      return x.is_over();
    }

   private:
    [[nodiscard]] bool is_over() const noexcept { return from_->jobs_.empty(); }

    mapped* from_ = nullptr;
  };

  /// Submits the first jobs. To be called once.
  [[nodiscard]] iterator begin() {
    next_.emplace(std::begin(inputs_));
    end_.emplace(std::end(inputs_));
    submit_more();
    return iterator{*this};
  }

  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void submit_more() {
    for (; jobs_.size() < window_ && *next_ != *end_; ++*next_)
      jobs_.push_back(submit_(**next_));
  }

  value_type& current() {
    if (!result_)
      result_.emplace(jobs_.front().get());
    return *result_;
  }

  void go_on() {
    result_.reset();
    jobs_.pop_front();
    submit_more();
  }

  Range inputs_; // a reference if they were an lvalue
  Submit submit_;
  std::size_t window_;
  std::optional<input_iterator> next_;
  std::optional<input_end> end_;
  std::deque<job_type> jobs_; // in the order of their inputs
  std::optional<value_type> result_;
};

} // namespace puma
