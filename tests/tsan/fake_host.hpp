// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/failure.hpp"
#include "puma/base/internal/parker.hpp"
#include "puma/buffers/internal/inlet.hpp"
#include "puma/buffers/internal/outlet.hpp"
#include "puma/buffers/internal/party.hpp"
#include "tests/tsan/raw_queue.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace puma_test {

/// Drives hooks in slices, as the host of a pooled runnable does, but on a
/// thread of its own and without CAF.
///
/// *Threads.* To be set up before `start`; after that, only what `party` says,
/// and `stop` from within a hook.
///
/// *Lifetime.* Must outlive the threads of all hosts that it shares a queue
/// with.
class fake_host final : public puma::internal::party {
 public:
  /// What becomes of the outputs at the end.
  enum class ending { complete, fail, leave_open };

  fake_host() = default;
  fake_host(const fake_host&) = delete;
  fake_host& operator=(const fake_host&) = delete;

  ~fake_host() { join(); }

  template <class T>
  void receive(queue_ptr from, std::function<void(T&)> on_value) {
    input_ = std::make_unique<puma::internal::inlet>(std::move(from), this);
    service_ = [this, hook = std::move(on_value)](std::size_t limit) {
      auto& in = *input_;
      while (limit-- != 0 && in.next != in.limit && !stopping_ && !blocked_) {
        hook(*reinterpret_cast<T*>(in.next));
        puma::detail::value_ops_of<T>::destroy(in.next, 1);
        in.next += sizeof(T);
        in.release(1);
      }
    };
  }

  /// Calls `on_demand` while every output has room, until it returns false.
  void generate(std::function<bool()> on_demand) {
    on_demand_ = std::move(on_demand);
  }

  puma::internal::outlet& publish_to(queue_ptr to,
                                     puma::publish_options options = {}) {
    return own_.emplace_back(std::move(to), this, options);
  }

  /// Ends after the hook that is running.
  void stop(ending how) noexcept {
    stopping_ = true;
    ending_ = how;
  }

  void start() {
    thread_ = std::thread{[this] { run(); }};
  }

  void join() {
    if (thread_.joinable())
      thread_.join();
  }

  /// Whether the input ended with an error.
  [[nodiscard]] bool input_failed() const noexcept { return input_failed_; }

  /// Runs hooks on the calling thread until there is nothing more to do now.
  void run_here() {
    submitted_.store(0);
    while (!ended_ && run_slice())
      continue;
  }

  /// Whether it was woken since `run_here`.
  [[nodiscard]] bool woken() const noexcept { return submitted_.load() != 0; }

  [[nodiscard]] bool ended() const noexcept { return ended_; }

  // -- implementation of party ------------------------------------------------

  bool arm(puma::internal::wake::bits what) noexcept override {
    return (bits_.fetch_or(what | scheduled, std::memory_order_acq_rel)
            & scheduled)
           == 0;
  }

  void fire(puma::internal::urgency) noexcept override {
    submitted_.store(1, std::memory_order_release);
    puma::internal::futex_wake(submitted_, 1);
  }

  bool may_wait() const noexcept override { return false; }

  void wait(puma::internal::time_point) override {
    throw std::logic_error{"a pooled host was made to wait"};
  }

  void adopt(puma::internal::outlet& x) override { outputs_.push_back(&x); }

  void forget(puma::internal::outlet& x) noexcept override {
    std::erase(outputs_, &x);
  }

  void output_blocked() noexcept override { blocked_ = true; }

  puma::internal::wake_list& pending_wakes() noexcept override {
    return pending_;
  }

  void fire_pending_wakes() noexcept override {
    pending_.fire(puma::internal::urgency::at_once);
  }

 private:
  enum class outcome { idle, again, ended };

  static constexpr std::uint32_t scheduled = 1;
  static constexpr std::uint32_t signals = puma::internal::wake::data
                                           | puma::internal::wake::room;
  static constexpr std::size_t values_per_slice = 200;

  void run() {
    while (!ended_) {
      while (submitted_.exchange(0, std::memory_order_acquire) == 0)
        puma::internal::futex_wait(submitted_, 0, puma::internal::no_deadline);
      while (!ended_ && run_slice())
        continue;
    }
  }

  /// Returns whether there is more to do now.
  bool run_slice() {
    using puma::internal::urgency;
    auto* outer = std::exchange(party::current(), this);
    for (auto* x : outputs_)
      x->enter_scope();
    auto result = outcome::again;
    do {
      const auto seen = bits_.fetch_and(~signals, std::memory_order_acq_rel);
      if ((seen & puma::internal::wake::data) != 0 && input_)
        input_->set_busy();
      result = work();
      if (result == outcome::ended)
        break;
      for (auto* x : outputs_)
        x->flush(pending_);
      if (input_)
        input_->offer_room(pending_);
      pending_.fire(urgency::last_act);
    } while (result == outcome::idle && !give_back_schedule());
    if (result == outcome::ended)
      finish();
    for (auto* x : outputs_)
      x->leave_scope();
    party::current() = outer;
    return result == outcome::again;
  }

  bool give_back_schedule() noexcept {
    auto now = bits_.load(std::memory_order_acquire);
    while ((now & signals) == 0)
      if (bits_.compare_exchange_weak(now, now & ~scheduled,
                                      std::memory_order_acq_rel))
        return true;
    return false;
  }

  outcome work() {
    if (blocked_ && !drain())
      return outcome::idle;
    return input_ ? service() : make_values();
  }

  outcome service() {
    using puma::receive_status;
    std::size_t budget = 3;
    while (!input_->idle() && budget-- != 0) {
      const auto status = input_->refill(true);
      if (status == receive_status::empty)
        return outcome::idle;
      if (status != receive_status::value) {
        input_failed_ = status == receive_status::failed;
        stop(input_failed_ ? ending::fail : ending::complete);
        return outcome::ended;
      }
      service_(values_per_slice);
      if (stopping_)
        return outcome::ended;
      if (blocked_ && !drain())
        return outcome::idle;
    }
    return input_->idle() ? outcome::idle : outcome::again;
  }

  outcome make_values() {
    for (std::size_t i = 0; i != values_per_slice; ++i) {
      for (auto* x : outputs_)
        if (!x->ensure_room())
          return outcome::idle;
      if (!on_demand_())
        stop(stopping_ ? ending_ : ending::complete);
      if (stopping_)
        return outcome::ended;
      if (blocked_ && !drain())
        return outcome::idle;
    }
    for (auto* x : outputs_)
      if (x->next == x->limit && !x->live())
        return outcome::ended;
    return outcome::again;
  }

  bool drain() noexcept {
    bool all = true;
    for (auto* x : outputs_)
      all = x->drain_outbox(pending_) && all;
    blocked_ = !all;
    return all;
  }

  void finish() {
    ended_ = true;
    if (input_)
      input_->give_back();
    for (auto* x : outputs_) {
      if (ending_ == ending::complete)
        x->complete(pending_);
      else if (ending_ == ending::fail)
        x->fail(puma::failure{std::make_exception_ptr(
                  std::runtime_error{"hook failed"})},
                pending_);
    }
    own_.clear();
    input_.reset();
    pending_.fire(puma::internal::urgency::last_act);
  }

  std::atomic<std::uint32_t> bits_{scheduled};
  std::atomic<std::uint32_t> submitted_{1};
  bool blocked_ = false;
  bool stopping_ = false;
  bool ended_ = false;
  bool input_failed_ = false;
  ending ending_ = ending::complete;
  std::unique_ptr<puma::internal::inlet> input_;
  std::function<void(std::size_t)> service_;
  std::function<bool()> on_demand_;
  std::vector<puma::internal::outlet*> outputs_;
  puma::internal::wake_list pending_;
  std::list<puma::internal::outlet> own_;
  std::thread thread_;
};

} // namespace puma_test
