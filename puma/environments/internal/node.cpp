// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/node.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/unix_socket.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.node";

/// Another process of this host accepts within microseconds, unless the machine
/// is very busy.
constexpr std::chrono::seconds connect_time{2};

/// A socket that does not come in this time is asked for in another way: what
/// was to bring it may be lost.
constexpr std::chrono::seconds slot_time{10};

/// And in this time none will come that way, either.
constexpr std::chrono::seconds last_slot_time{60};

/// What another process may leave unread of what it has asked for.
constexpr std::size_t most_unread = 1024 * 1024;

/// What a process of another host that is gone may still have under way.
constexpr std::chrono::seconds cut_off_time{2};

std::string socket_path(const std::string& directory, node_id who) {
  return directory + "/" + std::to_string(who) + ".sock";
}

/// The first frame of a connection.
struct hello_head {
  node_token token;
  node_id who;
};

bool is_link_frame(std::uint8_t kind) noexcept {
  return kind < static_cast<std::uint8_t>(node_frame::hello);
}

bool is_between_all(std::uint8_t kind) noexcept {
  return kind < static_cast<std::uint8_t>(node_frame::welcome);
}

} // namespace

/// Accepts connections of other processes.
class node::acceptor final : public io_client {
 public:
  acceptor(node& self, int descriptor) : self_(self), descriptor_(descriptor) {}

  bool on_readable() override {
    for (;;) {
      const int fd = ::accept4(descriptor_, nullptr, nullptr,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR
               || errno == ECONNABORTED || errno == EMFILE || errno == ENFILE;
      try {
        if (!same_user(fd)) {
          ::close(fd);
          continue;
        }
      } catch (const error&) {
        ::close(fd);
        continue;
      }
      const std::lock_guard guard{self_.connections_mutex_};
      if (self_.closed_) {
        ::close(fd);
        return false;
      }
      ++self_.watched_;
      const auto x = connection::open(self_.link_loop_, fd, self_, owner_node,
                                      false);
      self_.connections_.insert(x);
      x->begin();
    }
  }

  bool on_writable() override { return false; }

  void on_removed() override {
    const std::lock_guard guard{self_.connections_mutex_};
    --self_.watched_;
    self_.connections_gone_.notify_all();
  }

 private:
  node& self_;
  int descriptor_;
};

/// Takes connections that other processes of this host have made.
class node::handover_client final : public io_client {
 public:
  handover_client(node& self, int descriptor)
    : self_(self),
      descriptor_(descriptor) {}

  bool on_readable() override {
    bool is_over = false;
    while (auto x = take_handover(descriptor_, is_over))
      self_.take(std::move(*x));
    return !is_over;
  }

  bool on_writable() override { return false; }

  void on_removed() override {
    const std::lock_guard guard{self_.connections_mutex_};
    --self_.watched_;
    self_.connections_gone_.notify_all();
  }

 private:
  node& self_;
  int descriptor_;
};

/// Waits until some ports are settled, and then until all connections have
/// said that everything has come in.
struct node::barrier {
  std::vector<port_ptr> ports;
  std::vector<std::uint64_t> marks; // what they have to have sent; or none
  std::function<void()> done;
  std::map<connection_ptr, std::uint64_t> syncs;
  bool asked = false;

  [[nodiscard]] bool holds() const {
    for (std::size_t i = 0; i != ports.size(); ++i)
      if (marks.empty() ? !ports[i]->settled() : !ports[i]->has_sent(marks[i]))
        return false;
    return true;
  }
};

node::node(io_loop& loop, io_loop& link_loop, node_id self)
  : loop_(loop),
    link_loop_(link_loop),
    self_(self),
    calls_(std::make_shared<call_desk>(static_cast<call_desk::courier&>(*this),
                                       self)) {}

node::~node() {
  calls_->close();
}

void node::settle(std::string sockets, node_token token) {
  sockets_path_ = std::move(sockets);
  token_ = token;
}

std::string node::handover_path(node_id who) const {
  return sockets_path_ + "/" + std::to_string(who) + ".in";
}

void node::listen() {
  const int fd = internal::listen_at(socket_path(sockets_path_, self_));
  auto client = std::make_shared<acceptor>(*this, fd);
  auto handovers = receive_handovers_at(handover_path(self_));
  auto taker = std::make_shared<handover_client>(*this, handovers.get());
  const std::lock_guard guard{connections_mutex_};
  watched_ += 2;
  listening_ = loop_.watch(fd, std::move(client));
  handovers_ = loop_.watch(handovers.release(), std::move(taker));
  loop_.start(listening_);
  loop_.start(handovers_);
}

void node::accept(owned_descriptor from) {
  const std::lock_guard guard{connections_mutex_};
  if (closed_)
    return;
  ++watched_;
  const auto x = connection::open(link_loop_, from.release(), *this, owner_node,
                                  false);
  x->is_far = true;
  connections_.insert(x);
  x->begin();
}

void node::take(handover x) {
  if (x.request.what == errand::link)
    return accept(std::move(x.descriptor));
  connection_ptr pending;
  {
    const std::lock_guard guard{connections_mutex_};
    const auto i = slots_.find(x.request.slot);
    if (i == slots_.end())
      return;
    pending = i->second.who;
    if (x.request.what != errand::unreached)
      slots_.erase(i);
  }
  if (x.request.what == errand::unreached)
    dial_otherwise(pending->peer(), x.request.slot);
  else
    pending->attach(x.descriptor.release());
}

std::uint64_t node::add_slot(const connection_ptr& pending) {
  slots_[++last_slot_] = {pending, std::chrono::steady_clock::now(), false};
  return last_slot_;
}

void node::drop_slot(std::uint64_t slot) {
  connection_ptr pending;
  {
    const std::lock_guard guard{connections_mutex_};
    if (const auto i = slots_.find(slot); i != slots_.end()) {
      pending = std::move(i->second.who);
      slots_.erase(i);
    }
  }
  if (pending)
    pending->close();
}

bool node::close(std::chrono::milliseconds timeout) {
  std::unique_lock lock{connections_mutex_};
  closed_ = true;
  if (listening_)
    listening_->remove();
  listening_ = nullptr;
  if (handovers_)
    handovers_->remove();
  handovers_ = nullptr;
  for (auto& x : connections_) {
    if (!controls_.contains(x.get()))
      x->send(static_cast<std::uint8_t>(node_frame::bye), 0, {}, {});
    x->close_when_sent();
  }
  if (connections_gone_.wait_for(lock, timeout, [&] { return watched_ == 0; }))
    return true;
  for (auto& x : connections_)
    x->close();
  return connections_gone_.wait_for(lock, timeout,
                                    [&] { return watched_ == 0; });
}

void node::drop_ports() {
  calls_->close();
  std::map<buffer_id, port_ptr> all;
  {
    const std::lock_guard guard{ports_mutex_};
    all.swap(ports_);
  }
  for (auto& [id, x] : all)
    x->detach();
}

// -- ports --------------------------------------------------------------------

node::port_ptr node::find(buffer_id id) const {
  const std::lock_guard guard{ports_mutex_};
  const auto i = ports_.find(id);
  return i != ports_.end() ? i->second : nullptr;
}

std::vector<node::port_ptr> node::ports() const {
  std::vector<port_ptr> result;
  const std::lock_guard guard{ports_mutex_};
  for (auto& [id, port] : ports_)
    result.push_back(port);
  return result;
}

void node::sweep() {
  cut_off_gone();
  std::vector<port_ptr> unused;
  const std::lock_guard guard{ports_mutex_};
  for (auto i = ports_.begin(); i != ports_.end();) {
    if (i->second->unused() && may_leave(*i->second)) {
      unused.push_back(std::move(i->second));
      i = ports_.erase(i);
    } else {
      ++i;
    }
  }
}

void node::write_handle(encoder& to, buffer_id id,
                        const detail::buffer_core& x) {
  const auto& q = *x.queue();
  to.number(id);
  encode(to, q.name());
  to.number(std::uint64_t{q.capacity()});
  to.number(q.options().overflow);
  to.number(q.options().warn_about_leftovers);
  encode(to, std::string{q.ops().type->name()});
}

node::handle_text node::read_handle(decoder& from) {
  handle_text result;
  result.id = from.number<buffer_id>();
  decode(from, result.name);
  result.capacity = from.number<std::uint64_t>();
  result.options.overflow = from.number<overflow>();
  result.options.warn_about_leftovers = from.number<bool>();
  decode(from, result.type);
  if (from.ok()
      && (result.name.empty() || result.capacity == 0
          || result.options.overflow > overflow::latest))
    from.fail("a handle that denotes no buffer");
  return result;
}

// -- connections --------------------------------------------------------------

connection_ptr node::open_control(int descriptor, node_id peer) {
  const std::lock_guard guard{connections_mutex_};
  ++watched_;
  auto result = connection::open(loop_, descriptor, *this, peer, true);
  connections_.insert(result);
  controls_.insert(result.get());
  return result;
}

connection_ptr node::open_control_later(node_id peer) {
  const std::lock_guard guard{connections_mutex_};
  ++watched_;
  auto result = connection::open_later(loop_, *this, peer);
  connections_.insert(result);
  controls_.insert(result.get());
  return result;
}

void node::greet(const connection_ptr& to) {
  const hello_head head{token_, self_};
  to->send(static_cast<std::uint8_t>(node_frame::hello), 0,
           std::as_bytes(std::span{&head, 1}), {});
}

carrier_ptr node::connect(node_id peer) {
  try {
    return connection_to(peer);
  } catch (const timeout_error& x) {
    on_fault(peer, x.what());
  } catch (const error& x) {
    on_fault(self_ != owner_node ? self_ : peer, x.what());
  }
  return nullptr;
}

connection_ptr node::connection_to(node_id peer) {
  const std::lock_guard guard{connections_mutex_};
  if (closed_ || gone_.contains(peer))
    return nullptr;
  auto& known = outgoing_[peer];
  if (known)
    return known;
  if (host_of(peer) != host_of(self_)) {
    ++watched_;
    known = connection::open_later(link_loop_, *this, peer);
    known->is_far = true;
    connections_.insert(known);
    greet(known);
    dial(peer, known);
    return known;
  }
  const int fd = connect_to(socket_path(sockets_path_, peer),
                            std::chrono::steady_clock::now() + connect_time);
  if (fd == -1)
    return nullptr; // it has just ended, which the owner is about to tell
  ++watched_;
  known = connection::open(link_loop_, fd, *this, peer, true);
  connections_.insert(known);
  known->begin();
  greet(known);
  return known;
}

void node::forget_node(node_id who, const failure& error,
                       std::set<buffer_id> spared) {
  calls_->node_gone(who, std::string{error.text()});
  connection_ptr out;
  {
    const std::lock_guard guard{connections_mutex_};
    gone_.insert(who);
    cut_off_.erase(who);
    going_.push_back(
      {who, error, std::move(spared), std::chrono::steady_clock::now()});
    if (const auto i = outgoing_.find(who); i != outgoing_.end())
      out = i->second;
  }
  if (out)
    out->close();
  act_on_gone();
  check_barriers();
}

bool node::may_say_more(node_id who) {
  return std::any_of(connections_.begin(), connections_.end(), [&](auto& x) {
    return !controls_.contains(x.get())
           && (!x->introduced.load() || x->peer() == who);
  });
}

void node::act_on_gone() {
  std::vector<gone_process> now;
  {
    const std::lock_guard guard{connections_mutex_};
    for (auto i = going_.begin(); i != going_.end();) {
      if (may_say_more(i->who)) {
        ++i;
      } else {
        now.push_back(std::move(*i));
        i = going_.erase(i);
      }
    }
  }
  for (auto& x : now)
    for (auto& y : ports())
      y->node_gone(x.who, x.error, x.spared.contains(y->id()));
}

void node::cut_off_gone() {
  std::vector<connection_ptr> late;
  std::vector<std::pair<node_id, std::uint64_t>> unanswered;
  {
    const std::lock_guard guard{connections_mutex_};
    const auto now = std::chrono::steady_clock::now();
    for (auto& gone : going_)
      if (now - gone.since > cut_off_time)
        for (auto& x : connections_)
          if (x->is_far && (!x->introduced || x->peer() == gone.who))
            late.push_back(x);
    for (auto& [slot, x] : slots_)
      if (now - x.since > (x.asked_again ? last_slot_time : slot_time)) {
        if (std::exchange(x.asked_again, true))
          late.push_back(x.who);
        else
          unanswered.emplace_back(x.who->peer(), slot);
        x.since = now;
      }
  }
  for (auto& x : late)
    x->close();
  for (auto& [peer, slot] : unanswered)
    dial_otherwise(peer, slot);
}

void node::on_frame(const connection_ptr& from, const frame_header& head,
                    connection::bytes body) {
  if (!from->introduced) {
    hello_head who;
    if (head.kind != static_cast<std::uint8_t>(node_frame::hello)
        || body.size() != sizeof(who))
      throw error{"it did not say who it is"};
    std::memcpy(&who, body.data(), sizeof(who));
    if (who.token != token_)
      throw error{"it belongs to another runtime"};
    from->set_peer(who.who);
    from->introduced = true;
    act_on_gone();
    return;
  }
  if (is_link_frame(head.kind)) {
    link_bytes_received_.fetch_add(head.length, std::memory_order_relaxed);
    // A buffer that is no longer known here has ended here.
    if (auto x = find(buffer_id{head.to}))
      x->receive(from, static_cast<link_frame>(head.kind), body);
    return;
  }
  if (!is_between_all(head.kind)) {
    bool is_control = false;
    {
      const std::lock_guard guard{connections_mutex_};
      is_control = controls_.contains(from.get());
    }
    if (!is_control)
      throw error{"frame " + std::to_string(head.kind)
                  + " came by the wrong way"};
    on_control(from, head, body);
    return;
  }
  switch (static_cast<node_frame>(head.kind)) {
  case node_frame::parcel:
    if (head.to == self_)
      calls_->receive(body);
    else
      forward(static_cast<node_id>(head.to), body);
    return;
  case node_frame::sync:
    if (from->backlog() > most_unread)
      throw error{"it asks for more answers than it reads"};
    from->send(static_cast<std::uint8_t>(node_frame::synced), head.to, {}, {});
    return;
  case node_frame::synced:
    on_synced(from, head.to);
    return;
  case node_frame::bye:
    from->ends_well = true;
    return;
  default:
    throw error{"unknown frame " + std::to_string(head.kind)};
  }
}

std::shared_ptr<encoder> node::sink_of(const connection_ptr& from,
                                       const frame_header& head) {
  if (!from->introduced
      || head.kind != static_cast<std::uint8_t>(link_frame::piece))
    return nullptr;
  const auto x = find(buffer_id{head.to});
  if (!x)
    return nullptr;
  link_bytes_received_.fetch_add(head.length, std::memory_order_relaxed);
  return x->pieces_of(from);
}

void node::on_lost(const connection_ptr& who, const std::string& why) {
  bool is_control = false;
  bool is_cut = false;
  auto taker = self_ != owner_node ? self_ : who->peer();
  {
    const std::lock_guard guard{connections_mutex_};
    is_control = controls_.erase(who.get()) != 0;
    is_cut = who->is_far && who->introduced && !who->ends_well && !is_control
             && !closed_ && !gone_.contains(who->peer());
    if (is_cut)
      cut_off_.insert(who->peer());
    connections_.erase(who);
    std::erase_if(slots_, [&](auto& x) { return x.second.who == who; });
    if (const auto i = outgoing_.find(who->peer());
        i != outgoing_.end() && i->second == who) {
      outgoing_.erase(i);
      taker = who->peer();
    }
  }
  if (!why.empty())
    log(log_level::error, logger,
        "lost the connection to process " + std::to_string(who->peer()) + ": "
          + why);
  finish_syncs_of(*who);
  act_on_gone();
  if (is_control)
    on_control_lost(who, why);
  else if (!why.empty() && who->introduced)
    on_fault(who->peer(), why);
  else if (is_cut)
    on_cut(taker);
  const std::lock_guard guard{connections_mutex_};
  --watched_;
  connections_gone_.notify_all();
}

// -- barriers -----------------------------------------------------------------

void node::when_passed_on(std::vector<port_ptr> ports,
                          std::function<void()> done) {
  add_barrier(std::move(ports), {}, std::move(done));
}

void node::when_sent(const std::vector<port_ptr>& ports,
                     std::function<void()> done) {
  std::vector<std::uint64_t> marks;
  for (auto& x : ports)
    marks.push_back(x->published());
  add_barrier(ports, std::move(marks), std::move(done));
}

void node::add_barrier(std::vector<port_ptr> ports,
                       std::vector<std::uint64_t> marks,
                       std::function<void()> done) {
  {
    const std::lock_guard guard{barriers_mutex_};
    auto x = std::make_unique<barrier>();
    x->ports = std::move(ports);
    x->marks = std::move(marks);
    x->done = std::move(done);
    barriers_.push_back(std::move(x));
    barrier_count_.fetch_add(1);
  }
  check_barriers();
}

void node::worked(port&) {
  if (barrier_count_.load() != 0)
    check_barriers();
}

void node::check_barriers() {
  std::vector<std::function<void()>> done;
  {
    const std::lock_guard guard{barriers_mutex_};
    {
      // What was under way there is lost. Nothing counts as passed on until the
      // owner has ended one of the two sides.
      const std::lock_guard inner{connections_mutex_};
      if (!cut_off_.empty())
        return;
    }
    for (auto& x : barriers_) {
      if (x->asked || !x->holds())
        continue;
      x->asked = true;
      std::vector<connection_ptr> all;
      {
        const std::lock_guard inner{connections_mutex_};
        for (auto& [who, link] : outgoing_)
          if (link)
            all.push_back(link);
      }
      for (auto& link : all) {
        x->syncs[link] = ++last_sync_;
        link->send(static_cast<std::uint8_t>(node_frame::sync), last_sync_, {},
                   {});
      }
    }
    std::erase_if(barriers_, [&](auto& x) {
      if (!x->asked || !x->syncs.empty())
        return false;
      done.push_back(std::move(x->done));
      barrier_count_.fetch_sub(1);
      return true;
    });
  }
  for (auto& f : done)
    f();
}

void node::on_synced(const connection_ptr& from, std::uint64_t token) {
  {
    const std::lock_guard guard{barriers_mutex_};
    for (auto& x : barriers_)
      if (const auto i = x->syncs.find(from);
          i != x->syncs.end() && i->second == token)
        x->syncs.erase(i);
  }
  check_barriers();
}

void node::finish_syncs_of(const connection& lost) {
  {
    const std::lock_guard guard{barriers_mutex_};
    for (auto& x : barriers_)
      std::erase_if(x->syncs,
                    [&](const auto& y) { return y.first.get() == &lost; });
  }
  check_barriers();
}

void node::add(const port_ptr& x) {
  {
    const std::lock_guard guard{ports_mutex_};
    ports_[x->id()] = x;
  }
  x->attach();
}

} // namespace puma::internal
