// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/detail/hosting.hpp"
#include "puma/actors/runnable.hpp"
#include "puma/buffers/buffer.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

namespace puma::detail {

/// Returns whether the hooks of a runnable may wait.
[[nodiscard]] bool may_wait(const internal::task& host) noexcept;

[[noreturn]] void throw_output_known(const std::string& runnable,
                                     std::string_view buffer);
[[noreturn]] void throw_output_unknown(const std::string& runnable,
                                       std::string_view buffer);
[[noreturn]] void throw_output_ended(const std::string& runnable,
                                     std::string_view buffer);
/// Logs that an output gets no more values.
void tell_output_ended(const std::string& runnable, std::string_view buffer);

/// The outputs of a runnable that gets and loses some while it runs, with
/// `Extra` for each.
///
/// A call may come while a dedicated runnable waits in `send`. So nothing moves
/// while the list is in use: what has gone by then is skipped, and erased
/// later.
template <class T, class Extra>
class output_list {
 public:
  struct entry {
    buffer<T> to;
    publisher<T> out;
    Extra extra;
    bool is_gone = false; // removed, or its stream has ended
  };

  /// Keeps the entries where they are.
  class use_guard {
   public:
    explicit use_guard(output_list& list) noexcept : list_(list) {
      list_.in_use_ = true;
    }

    use_guard(const use_guard&) = delete;
    use_guard& operator=(const use_guard&) = delete;

    ~use_guard() {
      list_.in_use_ = false;
      if (list_.any_gone_) [[unlikely]]
        list_.sweep();
    }

   private:
    output_list& list_;
  };

  explicit output_list(const runnable& owner) noexcept : owner_(owner) {}

  [[nodiscard]] use_guard use() noexcept { return use_guard{*this}; }

  /// Throws `usage_error` for a buffer that is an output already.
  void check_new(const buffer<T>& to) {
    if (find(to))
      throw_output_known(owner_.name(), to.name());
  }

  /// Throws `usage_error` for a buffer whose stream has ended.
  void add(const buffer<T>& to, publisher<T> out, Extra extra) {
    if (!out.is_live())
      throw_output_ended(owner_.name(), to.name());
    entries_.push_back({to, std::move(out), std::move(extra)});
  }

  /// Completes the stream to a buffer; throws `usage_error` if it is no output.
  void remove(const buffer<T>& to) {
    auto* const found = find(to);
    if (!found)
      throw_output_unknown(owner_.name(), to.name());
    found->out.complete();
    found->is_gone = any_gone_ = true;
    if (!in_use_)
      sweep();
  }

  /// Publishes to an output, which is `closed` also when it has been removed.
  publish_result send(entry& to, T&& value) {
    if (to.is_gone) [[unlikely]]
      return publish_result::closed;
    return noted(to, to.out.publish(std::move(value)));
  }

  /// The same without waiting.
  publish_result try_send(entry& to, T&& value) {
    return noted(to, to.out.try_publish(std::move(value)));
  }

  [[nodiscard]] bool has(const buffer<T>& x) noexcept { return find(x); }

  /// Returns how many there are.
  [[nodiscard]] std::size_t count() const noexcept {
    return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(),
                    [](const entry& x) { return !x.is_gone; }));
  }

  /// Returns how many there are, with those that have gone while in use.
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  [[nodiscard]] entry& operator[](std::size_t index) noexcept {
    return entries_[index];
  }

  [[nodiscard]] const entry& operator[](std::size_t index) const noexcept {
    return entries_[index];
  }

 private:
  publish_result noted(entry& to, publish_result result) {
    if (result == publish_result::closed && !to.is_gone) [[unlikely]] {
      to.is_gone = any_gone_ = true;
      tell_output_ended(owner_.name(), to.to.name());
    }
    return result;
  }

  [[nodiscard]] entry* find(const buffer<T>& to) noexcept {
    for (auto& x : entries_)
      if (!x.is_gone && x.to == to)
        return &x;
    return nullptr;
  }

  void sweep() noexcept {
    std::erase_if(entries_, [](const entry& x) { return x.is_gone; });
    any_gone_ = false;
  }

  const runnable& owner_;
  std::deque<entry> entries_; // they stay in place when one is added
  bool in_use_ = false;
  bool any_gone_ = false;
};

} // namespace puma::detail
