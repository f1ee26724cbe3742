// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/environments/internal/home_node.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace puma::internal {

/// A runnable in a worker, as the registry sees it.
class home_node::remote_run final : public hosted {
 public:
  /// It runs in `where`; `target` is where its calls go.
  remote_run(home_node& home, std::shared_ptr<run_record> record, node_id where,
             run_id id, detail::target_ptr target)
    : home_(home),
      record_(std::move(record)),
      where_(where),
      id_(id),
      target_(std::move(target)) {}

  /// The reference that `drop` gives up.
  std::shared_ptr<remote_run> self;

  [[nodiscard]] run_id id() const noexcept { return id_; }

  [[nodiscard]] run_record& record() const noexcept { return *record_; }

  /// Called when the worker has been told to start it.
  void sent(connection_ptr control) {
    const std::lock_guard guard{mutex_};
    control_ = std::move(control);
  }

  /// Called when everything has been sent that signals must not overtake.
  void flush() {
    const std::lock_guard guard{mutex_};
    if (control_ && early_ != 0)
      send(std::exchange(early_, 0));
  }

  void set_activity(std::string what) {
    const std::lock_guard guard{mutex_};
    activity_ = std::move(what);
  }

  /// The streams that are held open until the runnable has opened its
  /// publishers; and if it may be restarted, those until it has ended.
  std::vector<held_stream> streams;

  /// All that it might publish to.
  std::vector<const queue*> buffers;

  [[nodiscard]] bool may_restart() const noexcept {
    return record_->terms.on_failure;
  }

  /// Gives them up.
  void drop_tokens(const failure* error) {
    for (auto& x : std::exchange(streams, {}))
      x.to->drop_token(error);
    if (!may_restart())
      record_->recipe.reset();
  }

  /// As if it had completed them: it was stopped before it existed.
  void complete_tokens() {
    for (auto& x : std::exchange(streams, {}))
      x.to->complete_token();
    record_->recipe.reset();
  }

  /// Keeps those that it publishes to.
  void keep_tokens(const std::vector<std::shared_ptr<queue>>& outputs) {
    std::vector<held_stream> kept;
    for (auto& x : std::exchange(streams, {})) {
      const bool publishes = std::find(outputs.begin(), outputs.end(), x.to)
                             != outputs.end();
      if (publishes && std::none_of(kept.begin(), kept.end(), [&x](auto& y) {
            return y.to == x.to;
          }))
        kept.push_back({std::move(x.to), true});
      else
        x.hand_on(publishes);
    }
    // Of handles that were not among its arguments by themselves.
    for (auto& q : outputs)
      if (std::none_of(kept.begin(), kept.end(),
                       [&q](auto& y) { return y.to == q; })) {
        q->add_token();
        kept.push_back({q, true});
      }
    streams = std::move(kept);
  }

  void notify(wake::bits what, wake_list&) noexcept override {
    const std::lock_guard guard{mutex_};
    if (control_ && !home_.has_posted(where_))
      send(what);
    else
      early_ |= what; // `flush` follows
  }

  [[nodiscard]] std::string current_activity() const override {
    const std::lock_guard guard{mutex_};
    return activity_;
  }

  detail::target_ptr route() override { return target_; }

  job_inbox::result give(const detail::job_ptr&, wake_list&) noexcept override {
    return job_inbox::result::closed; // there is a route instead
  }

  [[nodiscard]] bool is_here() const noexcept override { return false; }

  void drop() noexcept override { const auto last = std::move(self); }

 private:
  void send(wake::bits what) noexcept {
    control_->send(static_cast<std::uint8_t>(node_frame::signal), id_,
                   std::as_bytes(std::span{&what, 1}), {});
  }

  home_node& home_;
  const std::shared_ptr<run_record> record_;
  const node_id where_;
  const run_id id_;
  const detail::target_ptr target_;
  mutable std::mutex mutex_;
  connection_ptr control_;
  wake::bits early_ = 0;
  std::string activity_ = "starting in a process of its own";
};

struct home_node::worker {
  using clock = std::chrono::steady_clock;

  node_id id = 0;
  pid_t pid = 0;
  process_options options;
  int descriptor = -1;
  connection_ptr control;
  std::map<run_id, remote_run_ptr> runs;
  std::shared_ptr<remote_host> host; // where it is; null: here
  clock::time_point started;
  clock::time_point last_heard;
  bool is_under_way = false; // its node has yet to be reached
  bool ready = false;
  bool dismissed = false;
  std::optional<clock::time_point> lost; // when its connection was
  std::optional<process_exit> exit;
  clock::time_point exited;
  std::string verdict;                     // why it was killed
  std::optional<clock::time_point> doomed; // when it was
  std::optional<clock::time_point> cut;    // when others lost it
  std::string fate; // how it ended, where no exit status tells
};

} // namespace puma::internal
