// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/pipeline_runner.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/internal/queue.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

namespace puma {

namespace {

std::chrono::nanoseconds time_left(internal::time_point deadline) {
  return deadline == internal::no_deadline
           ? std::chrono::nanoseconds::max()
           : std::max(deadline - internal::current_time(),
                      std::chrono::nanoseconds::zero());
}

/// Calls `what` with whichever host a stage has.
template <class Host, class F>
auto with(Host& host, F what) {
  return std::visit([&](auto& x) { return what(x); }, host);
}

/// Holds streams open by tokens.
class open_streams {
 public:
  explicit open_streams(std::vector<detail::buffer_core_ptr> which)
    : which_(std::move(which)) {
    for (auto& x : which_)
      x->queue()->add_token();
  }

  open_streams(const open_streams&) = delete;
  open_streams& operator=(const open_streams&) = delete;

  ~open_streams() {
    for (auto& x : which_)
      x->queue()->drop_token();
  }

 private:
  std::vector<detail::buffer_core_ptr> which_;
};

} // namespace

pipeline_runner& pipeline_runner::operator=(pipeline_runner&& other) noexcept {
  pipeline_runner old{std::move(*this)};
  all_ = std::move(other.all_);
  held_open_ = std::move(other.held_open_);
  return *this;
}

pipeline_runner::~pipeline_runner() {
  // All at once, before any is waited for.
  try {
    stop();
  } catch (...) {
    // They are stopped one by one.
  }
}

void pipeline_runner::start() {
  const open_streams held{std::exchange(held_open_, {})};
  bool has_begun = false;
  for (auto& x : std::views::reverse(all_)) {
    try {
      with(x.host, [](auto& host) { host.start(); });
      has_begun = true;
    } catch (...) {
      // A second start is refused by the first stage, and disturbs nothing.
      if (has_begun)
        stop();
      throw;
    }
  }
}

void pipeline_runner::wait_until_running() {
  for (auto& x : all_)
    with(x.host, [](auto& host) { host.wait_until_running(); });
}

bool pipeline_runner::wait_until_running_for(std::chrono::nanoseconds timeout) {
  const auto deadline = internal::deadline_after(timeout);
  return std::ranges::all_of(all_, [deadline](entry& x) {
    return with(x.host, [deadline](auto& host) {
      return host.wait_until_running_for(time_left(deadline));
    });
  });
}

void pipeline_runner::stop_sources() {
  for (auto& x : all_)
    if (x.is_source)
      with(x.host, [](auto& host) { host.stop(); });
}

void pipeline_runner::stop() {
  for (auto& x : all_)
    with(x.host, [](auto& host) { host.stop(); });
}

void pipeline_runner::join() {
  for (auto& x : all_)
    with(x.host, [](auto& host) { host.join(); });
}

bool pipeline_runner::join_for(std::chrono::nanoseconds timeout) {
  const auto deadline = internal::deadline_after(timeout);
  return std::ranges::all_of(all_, [deadline](entry& x) {
    return with(x.host, [deadline](auto& host) {
      return host.join_for(time_left(deadline));
    });
  });
}

bool pipeline_runner::is_alive() const {
  return std::ranges::any_of(all_, [](const entry& x) {
    return with(x.host, [](const auto& host) { return host.is_alive(); });
  });
}

void pipeline_runner::check_for_exceptions() {
  for (auto& x : all_)
    with(x.host, [](auto& host) { host.check_for_exceptions(); });
}

runner& pipeline_runner::at(std::string_view stage) {
  if (auto* found = std::get_if<runner>(&find(stage).host))
    return *found;
  throw usage_error{"pipeline: stage '" + std::string{stage}
                    + "' consists of several runnables; use group_at"};
}

runner_group& pipeline_runner::group_at(std::string_view stage) {
  if (auto* found = std::get_if<runner_group>(&find(stage).host))
    return *found;
  throw usage_error{"pipeline: stage '" + std::string{stage}
                    + "' is a single runnable; use at"};
}

pipeline_runner::entry& pipeline_runner::find(std::string_view stage) {
  const auto found = std::ranges::find(all_, stage, &entry::name);
  if (found != all_.end())
    return *found;
  std::string known;
  for (auto& x : all_)
    known += (known.empty() ? "'" : ", '") + x.name + "'";
  throw usage_error{"pipeline: has no stage '" + std::string{stage} + "'"
                    + (known.empty() ? "" : "; its stages are ") + known};
}

std::vector<std::string> pipeline_runner::stages() const {
  std::vector<std::string> result;
  result.reserve(all_.size());
  for (auto& x : all_)
    result.push_back(x.name);
  return result;
}

} // namespace puma
