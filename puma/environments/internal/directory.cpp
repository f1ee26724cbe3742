// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/directory.hpp"

#include "puma/base/error.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace puma::internal {

void directory::add(const port_ptr& x) {
  entries_[x->id()].own = x;
}

void directory::expect(buffer_id id, int handles) {
  if (const auto i = entries_.find(id); i != entries_.end())
    i->second.expected += handles;
}

void directory::on_join(node_id from, buffer_id id) {
  const auto i = entries_.find(id);
  if (i == entries_.end())
    return;
  auto& x = i->second;
  --x.expected;
  x.members.insert(from);
  if (x.broken)
    to_.break_off(from, id, *x.broken);
  else if (!x.moving)
    to_.resume(from, id, x.epoch, x.seat, {});
}

void directory::on_leave(node_id from, buffer_id id) {
  const auto i = entries_.find(id);
  if (i == entries_.end())
    return;
  auto& x = i->second;
  x.members.erase(from);
  x.publishing.erase(from);
  if (x.moving && x.moving->waiting.erase(from) != 0)
    go_on_moving(id, x);
}

void directory::on_note(node_id from, buffer_id id, note what,
                        std::uint64_t epoch) {
  const auto i = entries_.find(id);
  if (i == entries_.end() || i->second.broken)
    return;
  auto& x = i->second;
  switch (what) {
  case note::publishing:
    x.publishing.insert(from);
    break;
  case note::finished:
    x.publishing.erase(from);
    break;
  case note::subscribed:
    subscribe(from, id, x);
    break;
  case note::relayed:
    if (!x.subscriber)
      x.relay = epoch;
    subscribe(from, id, x);
    break;
  case note::unsubscribed:
    if (x.subscriber == from) {
      stop_relay(x, epoch);
      set_subscriber(x, {});
    }
    balance(id, x);
    break;
  case note::idle:
  case note::active:
  case note::marked_idle:
  case note::marked_active:
    if (!x.moving || epoch != x.epoch || x.moving->waiting.erase(from) == 0)
      break;
    if (what == note::active || what == note::marked_active)
      x.moving->publishing.insert(from);
    if (what == note::marked_idle || what == note::marked_active)
      x.moving->marks.push_back(from);
    go_on_moving(id, x);
    break;
  case note::in_use:
    if (!x.moving || epoch != x.epoch || x.moving->waiting.erase(from) == 0)
      break;
    // It came first, although its word came later.
    if (x.subscriber && *x.subscriber != from)
      refuse(*x.subscriber, id, x);
    set_subscriber(x, from);
    x.moving->publishing.insert(from);
    x.moving->to = from;
    go_on_moving(id, x);
    break;
  case note::seated:
    if (x.moving && epoch == x.epoch) {
      x.seat = from;
      resume(id, x);
    }
    break;
  }
}

void directory::subscribe(node_id from, buffer_id id, entry& x) {
  if (!x.subscriber || *x.subscriber == from) {
    set_subscriber(x, from);
    balance(id, x);
  } else {
    refuse(from, id, x);
  }
}

void directory::refuse(node_id who, buffer_id id, const entry& x) {
  const failure error{std::make_exception_ptr(
    usage_error{"buffer '" + x.own->core()->queue()->name()
                + "': has a subscription already, in another process; a buffer "
                  "has one at "
                  "a time"})};
  if (who == owner_node)
    x.own->refuse(error);
  else
    to_.refuse(who, id, error);
}

void directory::set_subscriber(entry& x, std::optional<node_id> who) {
  x.subscriber = who;
  x.own->set_subscribed_elsewhere(who && *who != owner_node);
}

void directory::stop_relay(entry& x, std::optional<std::uint64_t> handled) {
  x.relay.reset();
  if (std::exchange(x.relaying, false))
    x.own->stop_relay(handled);
}

void directory::balance(buffer_id id, entry& x) {
  // Where it may be restarted, the queue must not go with it.
  const auto wanted = x.relay ? owner_node : x.subscriber.value_or(owner_node);
  if (x.moving || x.broken)
    return;
  if (wanted == x.seat) {
    if (x.relay && !std::exchange(x.relaying, true))
      x.own->start_relay(*x.subscriber, *x.relay);
    return;
  }
  ++x.epoch;
  x.moving = move{wanted, x.members, {}, {}, false};
  x.moving->waiting.insert(owner_node);
  for (auto who : x.members)
    to_.hold(who, id, x.epoch);
  x.own->hold(x.epoch);
}

void directory::go_on_moving(buffer_id id, entry& x) {
  auto& now = *x.moving;
  if (!now.waiting.empty() || std::exchange(now.shipped, true))
    return;
  if (now.to == x.seat)
    resume(id, x); // whoever wanted it is gone
  else if (x.seat == owner_node)
    x.own->ship(x.epoch, now.to, now.marks);
  else
    to_.ship(x.seat, id, x.epoch, now.to, now.marks);
}

void directory::resume(buffer_id id, entry& x) {
  auto publishing = std::move(x.moving->publishing);
  publishing.erase(x.seat);
  const std::vector<node_id> list{publishing.begin(), publishing.end()};
  x.moving.reset();
  for (auto who : x.members)
    to_.resume(who, id, x.epoch, x.seat, list);
  x.own->resume(x.epoch, x.seat, list);
  balance(id, x);
}

void directory::break_off(buffer_id id, entry& x, const failure& error) {
  x.broken = error;
  x.moving.reset();
  x.relay.reset();
  x.relaying = false;
  set_subscriber(x, {});
  for (auto who : x.members)
    to_.break_off(who, id, error);
  x.own->break_off(error);
}

void directory::node_gone(node_id who, const failure& error, bool in_order,
                          const std::set<buffer_id>& spared) {
  for (auto& [id, x] : entries_) {
    x.members.erase(who);
    const bool published = x.publishing.erase(who) != 0;
    if (x.subscriber == who) {
      stop_relay(x, {});
      set_subscriber(x, {});
    }
    if (x.broken)
      continue;
    const bool arriving = x.moving && x.moving->to == who;
    if (x.seat == who || (arriving && x.moving->shipped)) {
      break_off(id, x, error);
      continue;
    }
    if (!x.moving) {
      balance(id, x);
      continue;
    }
    if (!in_order && !spared.contains(id)
        && (published || x.moving->publishing.contains(who))) {
      // Neither the old seat nor the new one has a link that would fail.
      break_off(id, x, error);
      continue;
    }
    if (arriving)
      x.moving->to = x.seat;
    x.moving->publishing.erase(who);
    if (x.moving->waiting.erase(who) != 0)
      go_on_moving(id, x);
  }
}

bool directory::publishes(node_id who) const {
  return std::any_of(entries_.begin(), entries_.end(), [who](const auto& y) {
    const auto& x = y.second;
    return !x.broken && x.seat != who && x.publishing.contains(who);
  });
}

std::vector<buffer_id> directory::sweep() {
  std::vector<buffer_id> result;
  std::erase_if(entries_, [&](const auto& y) {
    const auto& [id, x] = y;
    if (!x.members.empty() || x.expected > 0 || x.moving || !x.own->unused())
      return false;
    result.push_back(id);
    return true;
  });
  return result;
}

} // namespace puma::internal
