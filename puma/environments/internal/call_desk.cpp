// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/call_desk.hpp"

#include "puma/actors/detail/crossing.hpp"
#include "puma/actors/internal/local_reference.hpp"
#include "puma/actors/internal/registry.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <exception>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.calls";

using call_decoder = detail::call_ptr (*)(decoder& from);

/// Goes before each piece of a message.
struct piece_head {
  std::uint64_t message; // its number at the sender
  node_id from;
  bool last;
};

/// A piece fits into one frame, and other frames get in between.
constexpr std::size_t piece_bytes = 256 * 1024;

/// Of so many runnables that have ended is it known how.
constexpr std::size_t most_ended = 256;

void write(encoder& to, const piece_head& x) {
  to.number(x.message);
  to.number(x.from);
  to.number(x.last);
}

piece_head read_head(decoder& from) {
  piece_head result{};
  result.message = from.number<std::uint64_t>();
  result.from = from.number<node_id>();
  result.last = from.number<bool>();
  return result;
}

failure gone_failure(const detail::call_core& x, const std::string& why) {
  return failure{std::make_exception_ptr(
    runnable_ended{"call of '" + x.method().name + "': " + why})};
}

} // namespace

/// Refers to an object in another process.
class call_desk::away_reference final : public detail::call_target {
 public:
  away_reference(std::weak_ptr<call_desk> desk, node_id home, object_key what)
    : desk_(std::move(desk)),
      home_(home),
      what_(what) {}

  ~away_reference() override {
    if (what_.second == detail::own_object)
      return;
    try {
      if (const auto desk = desk_.lock())
        desk->count(home_, what_, desk->self_, -1, 0);
    } catch (const std::exception& error) {
      log(log_level::warning, logger,
          std::string{"a reference could not be given back: "} + error.what());
    }
  }

  [[nodiscard]] node_id home() const noexcept { return home_; }

  [[nodiscard]] object_key what() const noexcept { return what_; }

  // -- implementation of call_target ------------------------------------------

  void send(const detail::call_ptr& x) override {
    if (const auto desk = desk_.lock())
      desk->send(home_, what_.first, what_.second, x);
    else
      x->settle(gone_failure(*x, "its runtime is gone"));
  }

  [[nodiscard]] std::uint64_t object() const noexcept override {
    return what_.second;
  }

  [[nodiscard]] bool is_here() const override { return false; }

  [[nodiscard]] std::string describe() const override {
    return "an object of process " + std::to_string(home_);
  }

  [[nodiscard]] std::string current_activity() const override { return {}; }

 private:
  const std::weak_ptr<call_desk> desk_;
  const node_id home_;
  const object_key what_;
};

void call_desk::close() {
  {
    const guard lock{mutex_};
    closed_ = true;
  }
  fail_all(self_, "its runtime is gone", true);
  std::map<object_key, held_object> held; // goes without the lock
  const guard lock{mutex_};
  held.swap(held_);
}

// -- scopes -------------------------------------------------------------------

void call_desk::add_scope(scope_id id, const std::shared_ptr<run_record>& x) {
  const guard lock{mutex_};
  scopes_[id] = x;
  scope_ids_[x.get()] = id;
}

void call_desk::remove_scope(scope_id id, std::string how) {
  std::vector<detail::target_ptr> unheld; // go without the lock
  const guard lock{mutex_};
  std::erase_if(scope_ids_, [id](const auto& x) { return x.second == id; });
  scopes_.erase(id);
  ended_[id] = std::move(how);
  if (ended_.size() > most_ended)
    ended_.erase(ended_.begin());
  for (auto i = held_.lower_bound({id, 0});
       i != held_.end() && i->first.first == id; i = held_.erase(i))
    unheld.push_back(std::move(i->second.object));
}

scope_id call_desk::scope_of(const std::shared_ptr<run_record>& x) {
  const guard lock{mutex_};
  // Another record may have been at the same address before.
  if (const auto i = scope_ids_.find(x.get());
      i != scope_ids_.end() && scopes_[i->second].lock() == x)
    return i->second;
  if (scopes_.size() >= prune_at_) {
    std::erase_if(scopes_, [](const auto& y) { return y.second.expired(); });
    std::erase_if(scope_ids_, [this](const auto& y) {
      return !scopes_.contains(y.second);
    });
    prune_at_ = std::max<std::size_t>(64, 2 * scopes_.size());
  }
  scopes_[++last_scope_] = x;
  scope_ids_[x.get()] = last_scope_;
  return last_scope_;
}

std::string call_desk::how_ended(scope_id id) {
  const guard lock{mutex_};
  const auto i = ended_.find(id);
  return i != ended_.end() ? i->second : "the runnable has ended";
}

std::shared_ptr<run_record> call_desk::find_scope(scope_id id) {
  const guard lock{mutex_};
  const auto i = scopes_.find(id);
  return i != scopes_.end() ? i->second.lock() : nullptr;
}

// -- messages -----------------------------------------------------------------

void call_desk::carry(node_id to, const encoder& message, bool is_call) {
  const auto all = message.bytes();
  if (all.size() > most_bytes)
    throw usage_error{"a call or its result takes "
                      + std::to_string(all.size())
                      + " bytes, which is more than one may: let a buffer "
                        "carry it"};
  piece_head head{0, self_, false};
  {
    const guard lock{mutex_};
    if (closed_)
      return;
    head.message = ++last_message_;
  }
  for (std::size_t at = 0; at == 0 || at < all.size(); at += piece_bytes) {
    const auto part = all.subspan(at, std::min(piece_bytes, all.size() - at));
    head.last = at + part.size() == all.size();
    auto piece = std::make_shared<encoder>();
    write(*piece, head);
    piece->block(part.data(), part.size());
    courier_.carry(to, std::move(piece), is_call);
  }
}

void call_desk::receive(bytes piece) {
  decoder in{piece};
  const auto head = read_head(in);
  if (!in.ok())
    throw error{"a piece of a message that cannot be read: " + in.error()};
  const auto part = piece.subspan(piece.size() - in.remaining());
  const std::pair key{head.from, head.message};
  std::vector<std::byte> whole;
  {
    const guard lock{mutex_};
    const auto i = partial_.find(key);
    if (head.last && i == partial_.end()) {
      // The usual case: it is whole.
    } else {
      auto& so_far = i != partial_.end() ? i->second : partial_[key];
      partial_bytes_ += part.size();
      if (so_far.size() + part.size() > most_bytes
          || partial_bytes_ > most_partial_bytes)
        throw error{"messages that are too large, or never end"};
      so_far.insert(so_far.end(), part.begin(), part.end());
      if (!head.last)
        return;
      whole = std::move(so_far);
      partial_bytes_ -= whole.size();
      partial_.erase(key);
    }
  }
  on_message(head.from, whole.empty() ? part : bytes{whole});
}

std::pair<node_id, std::shared_ptr<const encoder>>
call_desk::returned(bytes piece, node_id gone) {
  decoder in{piece};
  const auto head = read_head(in);
  auto answer = std::make_shared<encoder>();
  write(*answer, {0, owner_node, true});
  answer->number(kind::gone);
  answer->number(gone);
  return {head.from, answer};
}

void call_desk::on_message(node_id from, bytes body) {
  decoder in{body, courier_.wire_context()};
  switch (in.number<kind>()) {
  case kind::call:
    on_call(from, in);
    return; // what cannot be read is answered
  case kind::answer:
    on_answer(in);
    return;
  case kind::count:
    on_count(in);
    break;
  case kind::gone:
    fail_all(in.number<node_id>(), "its process has ended", true);
    break;
  default:
    in.fail("no kind of message");
  }
  if (!in.ok())
    throw error{"a message that cannot be read: " + in.error()};
}

void call_desk::send(node_id to, scope_id scope, std::uint64_t object,
                     const detail::call_ptr& x) {
  encoder arguments{courier_.wire_context()};
  arguments.set_leaves_host(host_of(to) != host_of(self_));
  const auto key = x->encode_arguments(arguments);
  if (!key)
    throw usage_error{"call of '" + x->method().name
                      + "': cannot go to another process: " + x->obstacle()};
  if (to == self_) {
    // A reference has come back to where its runnable was.
    x->object = object;
    if (const auto record = find_scope(scope))
      record->send(x);
    else
      x->settle(gone_failure(*x, how_ended(scope)));
    return;
  }
  std::uint64_t id = 0;
  bool gone = false;
  {
    const guard lock{mutex_};
    gone = closed_ || gone_.contains(to);
    if (pending_.size() >= most_calls)
      throw buffer_full{"call of '" + x->method().name
                        + "': " + std::to_string(most_calls)
                        + " calls to other processes wait for their answers"};
    id = ++last_call_;
    if (!gone)
      pending_[id] = {to, x};
  }
  if (gone)
    return x->settle(gone_failure(*x, "its process has ended"));
  encoder message;
  message.number(kind::call);
  message.number(id);
  message.number(scope);
  message.number(object);
  detail::encode_key(message, *key);
  message.block(arguments.bytes().data(), arguments.bytes().size());
  try {
    carry(to, message, true);
  } catch (...) {
    const guard lock{mutex_};
    pending_.erase(id);
    throw;
  }
}

void call_desk::on_call(node_id from, decoder& in) {
  const auto id = in.number<std::uint64_t>();
  const auto scope = in.number<scope_id>();
  const auto object = in.number<std::uint64_t>();
  const auto key = detail::decode_key(in);
  try {
    const auto make = in.ok() ? detail::find_decoder<call_decoder>(key)
                              : nullptr;
    if (!make)
      throw usage_error{
        "this process does not know the method that is called; "
        "is it in a library that is loaded later?"};
    const auto call = make(in);
    if (!call)
      throw error{"the arguments of a call cannot be read: " + in.error()};
    call->object = object;
    call->when_ready(
      [self = weak_from_this(), from, id, call_ptr = call.get()] {
        if (const auto desk = self.lock())
          desk->answer(from, id, *call_ptr);
      });
    const auto record = find_scope(scope);
    if (record)
      record->send(call);
    else
      call->settle(gone_failure(*call, how_ended(scope)));
  } catch (...) { // user code that decodes may throw anything
    refuse(from, id, failure{std::current_exception()});
  }
}

void call_desk::answer(node_id to, std::uint64_t id,
                       const detail::call_core& x) {
  if (x.error())
    return refuse(to, id, *x.error());
  try {
    encoder message{courier_.wire_context()};
    message.set_leaves_host(host_of(to) != host_of(self_));
    message.number(kind::answer);
    message.number(id);
    message.number(true);
    x.encode_result(message);
    carry(to, message);
  } catch (...) {
    refuse(to, id, failure{std::current_exception()});
  }
}

void call_desk::refuse(node_id to, std::uint64_t id, const failure& error) {
  encoder message;
  message.number(kind::answer);
  message.number(id);
  message.number(false);
  encode(message, error);
  carry(to, message);
}

void call_desk::on_answer(decoder& in) {
  const auto id = in.number<std::uint64_t>();
  const auto has_result = in.number<bool>();
  detail::call_ptr call;
  {
    const guard lock{mutex_};
    const auto i = pending_.find(id);
    if (i == pending_.end())
      return; // its process was taken for dead meanwhile
    call = std::move(i->second.call);
    pending_.erase(i);
  }
  if (!has_result) {
    call->settle(decode_failure(in));
    return;
  }
  try {
    call->decode_result(in);
  } catch (...) {
    call->settle(failure{std::current_exception()});
    return;
  }
  if (in.ok())
    call->settle();
  else
    call->settle(failure{std::make_exception_ptr(
      error{"call of '" + call->method().name
            + "': its result cannot be read: " + in.error()})});
}

void call_desk::fail_all(node_id to, const std::string& why, bool for_good) {
  std::vector<detail::call_ptr> calls;
  std::vector<detail::target_ptr> unheld;
  {
    const guard lock{mutex_};
    if (for_good)
      gone_.insert(to);
    for (auto i = pending_.begin(); i != pending_.end();) {
      if (!closed_ && i->second.to != to) {
        ++i;
        continue;
      }
      calls.push_back(std::move(i->second.call));
      i = pending_.erase(i);
    }
    for (auto i = held_.begin(); i != held_.end();) {
      auto& x = i->second;
      x.references.erase(to);
      if (x.on_the_way == 0 && x.references.empty()) {
        unheld.push_back(std::move(x.object));
        i = held_.erase(i);
      } else {
        ++i;
      }
    }
    for (auto i = partial_.begin(); i != partial_.end();) {
      if (i->first.first == to) {
        partial_bytes_ -= i->second.size();
        i = partial_.erase(i);
      } else {
        ++i;
      }
    }
  }
  std::size_t posts = 0;
  for (auto& x : calls) {
    posts += x->how() == detail::call_core::mode::one_way ? 1 : 0;
    x->settle(gone_failure(*x, why));
  }
  if (posts != 0)
    log(log_level::warning, logger,
        std::to_string(posts) + " posted calls may not have been made: " + why);
}

void call_desk::node_gone(node_id who, const std::string& why) {
  fail_all(who, why, true);
}

// -- references ---------------------------------------------------------------

void call_desk::export_reference(encoder& to, const detail::target_ptr& x) {
  node_id home = self_;
  object_key what{0, x->object()};
  if (const auto away = std::dynamic_pointer_cast<away_reference>(x)) {
    home = away->home();
    what = away->what();
    if (what.second != detail::own_object)
      count(home, what, self_, 0, 1);
  } else if (const auto local = std::dynamic_pointer_cast<local_reference>(x)) {
    what.first = scope_of(local->scope());
    const guard lock{mutex_};
    auto& held = held_[what];
    held.object = x;
    ++held.on_the_way;
  } else if (auto record = std::dynamic_pointer_cast<run_record>(x)) {
    if (const auto elsewhere = std::dynamic_pointer_cast<away_reference>(
          record->owner->route_of(*record))) {
      home = elsewhere->home();
      what = elsewhere->what();
    } else {
      what.first = scope_of(record);
    }
  } else {
    throw usage_error{x->describe()
                      + ": cannot be referred to from another process"};
  }
  to.number(home);
  to.number(what.first);
  to.number(what.second);
}

detail::target_ptr call_desk::import_reference(decoder& from) {
  const auto home = from.number<node_id>();
  object_key what;
  what.first = from.number<scope_id>();
  what.second = from.number<std::uint64_t>();
  if (!from.ok())
    return nullptr;
  if (home != self_)
    return away(home, what);
  if (what.second == detail::own_object) {
    if (auto record = find_scope(what.first))
      return record;
    return away(home, what);
  }
  detail::target_ptr result;
  {
    const guard lock{mutex_};
    if (const auto i = held_.find(what); i != held_.end())
      result = i->second.object;
  }
  add_to_count(what, self_, 0, -1);
  return result ? result : away(home, what);
}

detail::target_ptr call_desk::target(node_id home, scope_id scope) {
  return away(home, {scope, detail::own_object});
}

detail::target_ptr call_desk::away(node_id home, object_key what) {
  if (what.second != detail::own_object && home != self_)
    count(home, what, self_, 1, -1);
  return std::make_shared<away_reference>(weak_from_this(), home, what);
}

void call_desk::count(node_id home, object_key what, node_id whose,
                      std::int64_t references, std::int64_t on_the_way) {
  if (home == self_)
    return add_to_count(what, whose, references, on_the_way);
  encoder message;
  message.number(kind::count);
  message.number(what.first);
  message.number(what.second);
  message.number(whose);
  message.number(references);
  message.number(on_the_way);
  carry(home, message);
}

void call_desk::on_count(decoder& in) {
  object_key what;
  what.first = in.number<scope_id>();
  what.second = in.number<std::uint64_t>();
  const auto whose = in.number<node_id>();
  const auto references = in.number<std::int64_t>();
  const auto on_the_way = in.number<std::int64_t>();
  if (in.ok())
    add_to_count(what, whose, references, on_the_way);
}

void call_desk::add_to_count(object_key what, node_id whose,
                             std::int64_t references, std::int64_t on_the_way) {
  detail::target_ptr unheld; // goes without the lock
  const guard lock{mutex_};
  const auto i = held_.find(what);
  if (i == held_.end())
    return; // the runnable has ended
  auto& x = i->second;
  x.on_the_way += on_the_way;
  if (references != 0 && !gone_.contains(whose)
      && (x.references[whose] += references) == 0)
    x.references.erase(whose);
  if (x.on_the_way != 0 || !x.references.empty())
    return;
  unheld = std::move(x.object);
  held_.erase(i);
}

} // namespace puma::internal
