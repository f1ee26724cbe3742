// SPDX-License-Identifier: Apache-2.0

// What the owner does with workers at nodes.

#include "puma/base/error.hpp"
#include "puma/environments/internal/home_node_parts.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace puma::internal {

namespace {

using clock = silence::clock;

constexpr const char* logger = "puma.processes";

/// How an end is to be told of that somebody has noticed otherwise.
constexpr std::chrono::seconds end_time{1};

/// How long a node that could not reach another is not asked to try again.
constexpr std::chrono::seconds apart_time{60};

constexpr process_exit unknown_exit{-1, false, false};

std::string text_of(const std::exception_ptr& x) {
  try {
    std::rethrow_exception(x);
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// For functions that have to be copyable.
std::shared_ptr<owned_descriptor> share(owned_descriptor x) {
  return std::make_shared<owned_descriptor>(std::move(x));
}

} // namespace

std::shared_ptr<remote_host> home_node::add_host(host_options options) {
  const auto interval = options.ping_interval;
  std::shared_ptr<remote_host> result;
  {
    const std::lock_guard guard{hosts_mutex_};
    const auto number = static_cast<node_id>(hosts_.size() + 1);
    if (number > most_hosts)
      throw usage_error{"node '" + options.name + "': there are already "
                        + std::to_string(most_hosts)
                        + ", more than one runtime can use"};
    result = std::make_shared<remote_host>(
      loop(), number, std::move(options),
      static_cast<remote_host::observer&>(*this));
    hosts_[number] = result;
  }
  keep_time(interval);
  return result;
}

std::shared_ptr<remote_host> home_node::find_host(node_id number) const {
  const std::lock_guard guard{hosts_mutex_};
  const auto i = hosts_.find(number);
  return i != hosts_.end() ? i->second : nullptr;
}

// -- starting -----------------------------------------------------------------

node_id home_node::spawn_at(const std::shared_ptr<remote_host>& host,
                            const process_options& options) {
  const auto id = (host->number() << host_shift) | ++last_node_;
  auto x = std::make_shared<worker>();
  x->id = id;
  x->options = options;
  x->host = host;
  x->is_under_way = true;
  {
    const std::lock_guard guard{live_mutex_};
    live_[id] = 0;
    accepting_.insert(id);
  }
  post([this, x] { add_worker(x); });
  node_request what;
  what.what = errand::worker;
  what.worker = id;
  what.threads = static_cast<std::uint32_t>(options.threads);
  what.is_shared = options.workers != 0;
  what.capture_output = options.capture_output;
  host->dial(what, [this, id](owned_descriptor socket,
                              const std::exception_ptr& failed) {
    post([this, id, failed, made = share(std::move(socket))] {
      if (auto* known = find_worker(id))
        on_dialed(*known, std::move(*made), failed);
    });
  });
  keep_time(options.ping_interval);
  return id;
}

void home_node::on_dialed(worker& x, owned_descriptor socket,
                          const std::exception_ptr& failed) {
  if (!x.is_under_way || x.exit)
    return;
  if (failed) {
    x.fate = "could not be started: " + text_of(failed);
    give_up(x);
    return;
  }
  x.is_under_way = false;
  x.started = x.last_heard = clock::now();
  x.control->attach(socket.release());
}

// -- connections to workers ---------------------------------------------------

void home_node::dial(node_id peer, const connection_ptr& pending) {
  const auto host = find_host(host_of(peer));
  if (!host)
    return pending->close();
  node_request what;
  what.what = errand::link;
  what.worker = peer;
  host->dial(
    what, [pending](owned_descriptor socket, const std::exception_ptr& failed) {
      if (failed)
        pending->close(); // whereupon it counts as cut
      else
        pending->attach(socket.release());
    });
}

void home_node::on_dial(const worker& from, node_id to, std::uint64_t slot,
                        bool by_owner) {
  node_request link;
  link.what = errand::link;
  link.worker = to;
  node_request answer;
  answer.what = errand::answer;
  answer.worker = from.id;
  answer.slot = slot;
  const auto near = from.host;
  const auto far = host_of(to) != 0 ? find_host(host_of(to)) : nullptr;
  const bool is_known = to == owner_node || find_worker(to) != nullptr;
  if (!is_known || (!near && !far))
    return refuse(answer);
  if (!near || !far) {
    // One of the two is on this host.
    const auto& there = near ? answer : link;
    return (near ? near : far)
      ->dial(there,
             [=, this, here = near ? link : answer](
               owned_descriptor socket, const std::exception_ptr& failed) {
               if (failed)
                 refuse(answer);
               else
                 deliver_here(here, answer, std::move(socket));
             });
  }
  const auto route = far->route_to(to, *near);
  if (by_owner)
    note_apart(*near, *far);
  if (!route || are_apart(*near, *far))
    return bridge(near, answer, far, link);
  auto reach = answer;
  reach.what = errand::reach;
  near->reach(
    reach, *route,
    [=, this](const owned_descriptor&, const std::exception_ptr& failed) {
      if (failed)
        bridge(near, answer, far, link);
    });
}

void home_node::refuse(const node_request& answer) {
  post([this, who = answer.worker, slot = answer.slot] {
    tell(who, node_frame::undialed, slot, encoder{});
  });
}

void home_node::deliver_here(const node_request& what,
                             const node_request& answer,
                             owned_descriptor socket) {
  try {
    if (what.worker == owner_node)
      accept(std::move(socket));
    else
      hand_over(handover_path(what.worker), what, socket.get());
  } catch (const std::exception& failed) {
    log(log_level::warning, logger,
        "process " + std::to_string(what.worker) + ": " + failed.what());
    refuse(answer);
  }
}

void home_node::bridge(const std::shared_ptr<remote_host>& near,
                       const node_request& answer,
                       const std::shared_ptr<remote_host>& far,
                       const node_request& link) {
  far->dial(
    link, [=, this](owned_descriptor first, const std::exception_ptr& failed) {
      if (failed)
        return refuse(answer);
      near->dial(answer, [=, this, there = share(std::move(first))](
                           owned_descriptor second,
                           const std::exception_ptr& failed_too) {
        if (failed_too)
          return refuse(answer);
        far->bridge(std::move(*there), std::move(second));
      });
    });
}

void home_node::note_apart(const remote_host& near, const remote_host& far) {
  const bool was_known = are_apart(near, far);
  apart_[{near.number(), far.number()}] = clock::now();
  if (!was_known)
    log(log_level::info, logger,
        "node '" + near.name() + "' cannot reach node '" + far.name()
          + "'; what goes from there to it passes through this process");
}

bool home_node::are_apart(const remote_host& near,
                          const remote_host& far) const {
  const auto i = apart_.find({near.number(), far.number()});
  return i != apart_.end() && clock::now() - i->second < apart_time;
}

void home_node::on_cut(node_id who) {
  post([this, who] {
    if (auto* x = find_worker(who); x && x->host && !x->cut)
      x->cut = clock::now();
  });
}

// -- how they end -------------------------------------------------------------

void home_node::give_up(worker& x) {
  if (x.exit)
    return;
  x.is_under_way = false;
  x.exit = unknown_exit;
  x.exited = clock::now();
  accept_no_more(x.id);
  x.control->close(); // `finish_worker` follows
}

void home_node::call_off(worker& x) {
  for (auto& [id, run] : std::exchange(x.runs, {})) {
    run->complete_tokens();
    runs_.ended(run->record(), nullptr, false);
  }
  give_up(x);
}

void home_node::check_remote(worker& x) {
  if (x.exit)
    return;
  if (x.is_under_way) {
    const bool is_unwanted = x.dismissed
                             || (!x.runs.empty()
                                 && std::all_of(x.runs.begin(), x.runs.end(),
                                                [this](const auto& run) {
                                                  return runs_.is_told_to_stop(
                                                    run.second->record());
                                                }));
    if (is_unwanted)
      call_off(x);
    return;
  }
  const auto now = clock::now();
  if (x.doomed && now - *x.doomed > end_time)
    give_up(x);
  else if (!x.doomed && x.cut && now - *x.cut > end_time)
    end_worker(x, "can no longer be reached by other processes");
}

void home_node::on_remote_started(node_id id, pid_t process) {
  post([this, id, process] {
    if (auto* x = find_worker(id))
      x->pid = process;
    const std::lock_guard guard{live_mutex_};
    if (const auto i = live_.find(id); i != live_.end())
      i->second = process;
  });
}

void home_node::on_remote_ended(node_id id, const process_exit& how) {
  post([this, id, how] { on_exit(id, how); });
}

void home_node::on_host_lost(node_id host, const std::string& why) {
  post([this, host, why] {
    std::vector<node_id> lost;
    for (auto& [id, x] : workers_)
      if (host_of(id) == host && !x->is_under_way && !x->exit)
        lost.push_back(id);
    const auto at = find_host(host);
    log(log_level::warning, logger,
        "node '" + (at ? at->name() : "?")
          + "': the connection is lost: " + why);
    for (const auto id : lost) {
      auto& x = *workers_[id];
      x.fate = "the connection to the node is lost: " + why;
      on_exit(id, unknown_exit); // what it said last is still to be read
    }
  });
}

} // namespace puma::internal
