// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/worker_node.hpp"

#include "puma/actors/detail/crossing.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/environments/internal/worker_options.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <utility>

namespace puma::internal {

namespace {

constexpr const char* logger = "puma.worker";

} // namespace

/// Tells the owner how a runnable fares. What it says comes after what the
/// runnable's streams have said by then, also where these go to others.
class worker_node::run final : public run_observer,
                               public std::enable_shared_from_this<run> {
 public:
  run(worker_node& home, run_id id) : home_(home), id_(id) {}

  std::vector<port_ptr> ports;

  void on_constructed(const run_record& x) override {
    encoder body;
    encode(body, x.name);
    body.number(x.kind);
    tell_in_order([self = shared_from_this(),
                   text = std::make_shared<encoder>(std::move(body))] {
      self->home_.tell(node_frame::started, self->id_, *text);
    });
  }

  void on_ended(const run_record& x, bool untaken) override {
    flush_statuses();
    auto error = std::shared_ptr<failure>{};
    if (x.error)
      error = std::make_shared<failure>(*x.error);
    home_.forget(id_, "runnable '" + x.name + "' has ended"
                        + (error ? ", with " + error->describe() : ""));
    tell_in_order(
      [self = shared_from_this(), error, untaken, failed = failed_input(x)] {
        self->close_relays();
        self->home_.report_end(self->id_, error.get(), untaken, failed);
        self->ports.clear();
      });
  }

  void on_ready(const run_record&, const std::vector<const queue*>& inputs,
                const std::vector<const queue*>& outputs) override {
    encoder body;
    encode(body, ids_of(inputs));
    encode(body, ids_of(outputs));
    tell_in_order([self = shared_from_this(),
                   text = std::make_shared<encoder>(std::move(body))] {
      self->home_.tell(node_frame::shape, self->id_, *text);
    });
  }

  void on_suspended(const run_record& x, suspension left) override {
    flush_statuses();
    home_.forget(id_, "runnable '" + x.name + "' is being restarted");
    encoder body;
    body.number(left.error.has_value());
    if (left.error)
      encode(body, *left.error);
    std::vector<const queue*> published;
    for (auto& stream : left.held)
      if (stream.published)
        published.push_back(stream.to.get());
    encode(body, ids_of(published));
    const auto failed = left.value ? ids_of({left.value->source.get()})
                                   : std::vector<buffer_id>{};
    encode(body, failed);
    body.number(left.value ? left.value->handled_before : 0);
    body.number(failed_input(x));
    // It is the owner that holds them open. Here they are closed, so that all
    // that was published is on its way.
    for (auto& stream : left.held)
      stream.to->drop_token();
    tell_in_order([self = shared_from_this(),
                   text = std::make_shared<encoder>(std::move(body))] {
      self->close_relays();
      self->home_.tell(node_frame::suspended, self->id_, *text);
      self->ports.clear();
    });
  }

  void on_status(const run_record&, detail::status_ptr x) override {
    auto text = std::make_unique<encoder>(
      static_cast<void*>(static_cast<port_context*>(&home_)));
    encoder value{text->context()};
    value.set_leaves_host(host_of(home_.self()) != host_of(owner_node));
    const auto key = x->encode(value);
    if (!key)
      throw usage_error{"publish_status: cannot go to another process: "
                        + x->obstacle()};
    constexpr auto most = connection::most_bytes / 2;
    if (value.size() > most)
      throw usage_error{"publish_status: takes " + std::to_string(value.size())
                        + " bytes, and in another process it may take "
                        + std::to_string(most) + "; let a buffer carry it"};
    const std::lock_guard guard{mutex_};
    auto i = std::find_if(
      statuses_.begin(), statuses_.end(),
      [&](const auto& known) { return *known.type == x->type(); });
    if (i == statuses_.end())
      i = statuses_.insert(i, {&x->type(), false, nullptr});
    text->number(static_cast<std::uint32_t>(i - statuses_.begin()));
    detail::encode_key(*text, *key);
    text->block(value.bytes().data(), value.size());
    text->keep_as(value);
    // An owner that is slow gets the latest one of those that come meanwhile.
    if (i->under_way)
      i->next = std::move(text);
    else
      send(*i, *text);
  }

  void status_seen(std::uint32_t which) {
    const std::lock_guard guard{mutex_};
    if (which >= statuses_.size())
      return;
    auto& x = statuses_[which];
    x.under_way = false;
    if (const auto next = std::move(x.next))
      send(x, *next);
  }

 private:
  /// What the owner gets to know of one type.
  struct status_type {
    const std::type_info* type;
    bool under_way;                // and not seen yet
    std::unique_ptr<encoder> next; // the latest one that waits
  };

  /// Now that what came of its values is safe.
  void close_relays() {
    for (auto& x : ports)
      x->close_relay();
  }

  /// Those that other processes know.
  [[nodiscard]] std::vector<buffer_id>
  ids_of(const std::vector<const queue*>& queues) const {
    std::vector<buffer_id> result;
    for (auto& x : ports)
      if (std::find(queues.begin(), queues.end(), x->core()->queue().get())
          != queues.end())
        result.push_back(x->id());
    return result;
  }

  /// Returns what the value in hand came from when `x` failed, or 0.
  [[nodiscard]] buffer_id failed_input(const run_record& x) const {
    const auto ids = ids_of({x.failed_input.get()});
    return ids.empty() ? 0 : ids.front();
  }

  void send(status_type& to, const encoder& text) {
    to.under_way = true;
    home_.tell(node_frame::status, id_, text);
  }

  void flush_statuses() {
    const std::lock_guard guard{mutex_};
    for (auto& x : statuses_)
      if (const auto next = std::move(x.next))
        send(x, *next);
  }

  /// A runnable may end before what was said about its start has been sent.
  void tell_in_order(std::function<void()> what) {
    {
      const std::lock_guard guard{mutex_};
      waiting_.push_back(std::move(what));
      if (waiting_.size() != 1)
        return;
    }
    wait_for_ports();
  }

  void wait_for_ports() {
    home_.when_passed_on(ports, [self = shared_from_this()] {
      std::function<void()> next;
      {
        const std::lock_guard guard{self->mutex_};
        next = self->waiting_.front();
      }
      next();
      bool more = false;
      {
        const std::lock_guard guard{self->mutex_};
        self->waiting_.erase(self->waiting_.begin());
        more = !self->waiting_.empty();
      }
      if (more)
        self->wait_for_ports();
    });
  }

  worker_node& home_;
  const run_id id_;
  std::mutex mutex_;
  std::vector<std::function<void()>> waiting_;
  std::vector<status_type> statuses_;
};

worker_node::worker_node(io_loop& loop, io_loop& link_loop, registry& runs,
                         std::shared_ptr<run_starter> starter, node_id self,
                         int descriptor, std::string directory)
  : node(loop, link_loop, self),
    runs_(runs),
    starter_(std::move(starter)),
    directory_(std::move(directory)),
    control_(open_control(descriptor, owner_node)) {
  control_->begin();
}

worker_node::~worker_node() {
  close(std::chrono::seconds{2});
  drop_ports();
}

bool worker_node::wait_for_exit() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [this] { return phase_ != phase::at_work; });
  return phase_ == phase::dismissed;
}

void worker_node::tell(node_frame what, std::uint64_t to, const encoder& body) {
  control_->send(static_cast<std::uint8_t>(what), to, {}, body.bytes());
}

// -- what the owner says ------------------------------------------------------

void worker_node::on_control(const connection_ptr&, const frame_header& head,
                             connection::bytes body) {
  decoder in{body, static_cast<void*>(static_cast<port_context*>(this))};
  const auto what = static_cast<node_frame>(head.kind);
  switch (what) {
  case node_frame::welcome:
    on_welcome(in);
    break;
  case node_frame::start:
    on_start(head.to, in);
    return;
  case node_frame::signal:
    on_signal(head.to, in.number<wake::bits>());
    break;
  case node_frame::status_seen:
    on_status_seen(head.to, in.number<std::uint32_t>());
    break;
  case node_frame::hold:
  case node_frame::ship:
  case node_frame::resume:
  case node_frame::refuse:
  case node_frame::break_off:
    on_port(what, head.to, in);
    break;
  case node_frame::node_gone: {
    const auto error = decode_failure(in);
    std::set<buffer_id> spared;
    decode(in, spared);
    if (in.ok())
      forget_node(static_cast<node_id>(head.to), error, std::move(spared));
    break;
  }
  case node_frame::ping:
    on_ping();
    break;
  case node_frame::undialed:
    drop_slot(head.to);
    break;
  case node_frame::exit: {
    const std::lock_guard guard{mutex_};
    phase_ = phase::dismissed;
    changed_.notify_all();
    break;
  }
  default:
    throw error{"unknown frame " + std::to_string(head.kind)};
  }
  if (!in.ok())
    throw error{"a frame that cannot be read: " + in.error()};
}

void worker_node::on_control_lost(const connection_ptr&,
                                  const std::string& why) {
  if (!why.empty())
    log(log_level::error, logger, "lost the owner: " + why);
  const std::lock_guard guard{mutex_};
  if (phase_ == phase::at_work)
    phase_ = phase::orphaned;
  changed_.notify_all();
}

void worker_node::on_welcome(decoder& in) {
  node_token token;
  token[0] = in.number<std::uint64_t>();
  token[1] = in.number<std::uint64_t>();
  std::string directory;
  decode(in, directory);
  if (!in.ok())
    return;
  settle(directory_.empty() ? std::move(directory) : directory_, token);
  listen();
  encoder body;
  encode(body, build_fingerprint());
  tell(node_frame::ready, self(), body);
}

void worker_node::on_start(run_id id, decoder& in) {
  const auto own_thread = in.number<bool>();
  restart_terms terms;
  terms.on_failure = in.number<bool>();
  terms.on_own_stop = in.number<bool>();
  terms.keeps_values = in.number<bool>();
  const auto instance = in.number<std::uint64_t>();
  std::vector<planned_fault> faults;
  decode(in, faults);
  const auto key = detail::decode_key(in);
  auto observer = std::make_shared<run>(*this, id);
  try {
    if (!in.ok())
      throw error{in.error()};
    const auto make = detail::find_decoder<detail::recipe_decoder>(key);
    if (!make)
      throw usage_error{
        "this process does not know how to make it; is it "
        "in a library that is loaded later?"};
    imported() = &observer->ports;
    auto recipe = make(in);
    imported() = nullptr;
    if (!recipe)
      throw error{"its arguments cannot be read: " + in.error()};
    auto record = runs_.prepare(starter_, own_thread, std::move(recipe),
                                observer, nullptr, terms);
    record->instance = instance - 1; // which its start counts
    if (!faults.empty())
      runs_.set_faults(std::make_shared<fault_plan>(std::move(faults),
                                                    fault_plan::site::worker));
    {
      const std::lock_guard guard{mutex_};
      live_[id] = record;
    }
    calls().add_scope(id, record);
    runs_.start(record);
  } catch (const std::exception&) {
    imported() = nullptr;
    forget(id, "it could not be started");
    const failure reason{std::current_exception(), key.type, "start"};
    report_end(id, &reason, true, 0);
  }
}

void worker_node::on_signal(run_id id, wake::bits what) {
  registry::record_ptr record;
  {
    const std::lock_guard guard{mutex_};
    if (const auto i = live_.find(id); i != live_.end())
      record = i->second;
  }
  if (record)
    runs_.notify(*record, what);
}

void worker_node::on_status_seen(run_id id, std::uint32_t which) {
  registry::record_ptr record;
  {
    const std::lock_guard guard{mutex_};
    if (const auto i = live_.find(id); i != live_.end())
      record = i->second;
  }
  if (record)
    static_cast<run&>(*record->observer).status_seen(which);
}

void worker_node::on_ping() {
  std::map<run_id, std::string> doing;
  {
    const std::lock_guard guard{mutex_};
    for (auto& [id, record] : live_)
      doing[id] = runs_.activity_of(*record);
  }
  encoder body;
  encode(body, doing);
  tell(node_frame::pong, self(), body);
  sweep();
}

void worker_node::on_port(node_frame what, buffer_id id, decoder& in) {
  const auto x = find(id);
  if (!x) {
    // Let go of since: nothing is here that a move would wait for.
    if (what == node_frame::hold)
      tell_home(id, note::idle, in.number<std::uint64_t>());
    return;
  }
  switch (what) {
  case node_frame::hold:
    return x->hold(in.number<std::uint64_t>());
  case node_frame::ship: {
    const auto epoch = in.number<std::uint64_t>();
    const auto to = in.number<node_id>();
    std::vector<node_id> marks;
    decode(in, marks);
    return x->ship(epoch, to, std::move(marks));
  }
  case node_frame::resume: {
    const auto epoch = in.number<std::uint64_t>();
    const auto seat = in.number<node_id>();
    std::vector<node_id> publishing;
    decode(in, publishing);
    return x->resume(epoch, seat, publishing);
  }
  case node_frame::refuse:
    return x->refuse(decode_failure(in));
  default:
    return x->break_off(decode_failure(in));
  }
}

// -- what it tells the owner --------------------------------------------------

void worker_node::forget(run_id id, std::string how) {
  calls().remove_scope(id, std::move(how));
  registry::record_ptr record; // goes after the lock
  const std::lock_guard guard{mutex_};
  if (const auto i = live_.find(id); i != live_.end()) {
    record = std::move(i->second);
    live_.erase(i);
  }
}

void worker_node::report_end(run_id id, const failure* error, bool untaken,
                             buffer_id failed_input) {
  encoder body;
  body.number(untaken);
  body.number(error != nullptr);
  if (error)
    encode(body, *error);
  body.number(failed_input);
  // The owner throws it; nobody here does.
  while (runs_.claim_any()) {
  }
  tell(node_frame::ended, id, body); // whereupon this object may go
}

void worker_node::tell_home(buffer_id id, note what, std::uint64_t epoch) {
  encoder body;
  body.number(what);
  body.number(epoch);
  tell(node_frame::note, id, body);
}

void worker_node::when_passed_on_from(port& x, std::function<void()> done) {
  std::vector<port_ptr> outputs;
  {
    const std::lock_guard guard{mutex_};
    for (auto& [id, record] : live_) {
      const auto& all = static_cast<run&>(*record->observer).ports;
      const bool has_it = std::any_of(all.begin(), all.end(),
                                      [&](auto& y) { return y.get() == &x; });
      for (auto& y : all)
        if (has_it && y.get() != &x)
          outputs.push_back(y);
    }
  }
  when_sent(outputs, std::move(done));
}

void worker_node::export_buffer(encoder& to, const detail::buffer_core_ptr& x) {
  const auto own = port::of(*x);
  if (!own || !own->is_in(*this))
    throw usage_error{"buffer '" + x->queue()->name()
                      + "': was made in a worker process; only buffers of the "
                        "process that owns the runtime can be shared"};
  tell(node_frame::exported, own->id(), encoder{});
  write_handle(to, own->id(), *x);
}

detail::buffer_core_ptr
worker_node::import_buffer(decoder& from, const detail::value_ops& ops) {
  const auto handle = read_handle(from);
  if (!from.ok())
    return nullptr;
  if (handle.type != ops.type->name()) {
    from.fail("a handle of a buffer of other values");
    return nullptr;
  }
  port_ptr x;
  detail::buffer_core_ptr core; // keeps the port from being swept away
  bool is_new = false;
  {
    // Handles may arrive in several threads at once.
    const std::lock_guard guard{ports_mutex_};
    auto& known = ports_[handle.id];
    is_new = known == nullptr;
    if (is_new)
      known = std::make_shared<port>(
        *this, handle.id,
        std::make_shared<detail::buffer_core>(handle.name, handle.capacity, ops,
                                              handle.options),
        owner_node, true);
    x = known;
    core = x->core();
  }
  if (is_new)
    x->attach();
  tell(node_frame::join, handle.id, encoder{});
  if (auto* list = imported())
    list->push_back(x);
  return core;
}

std::vector<node::port_ptr>*& worker_node::imported() noexcept {
  thread_local std::vector<port_ptr>* instance = nullptr;
  return instance;
}

void worker_node::on_fault(node_id who, const std::string& why) {
  encoder body;
  encode(body, why);
  // What is wrong with the owner ends with this process.
  tell(node_frame::fault, who != owner_node ? who : self(), body);
}

void worker_node::dial(node_id peer, const connection_ptr& pending) {
  ask_to_dial(peer, add_slot(pending), false);
}

void worker_node::dial_otherwise(node_id peer, std::uint64_t slot) {
  ask_to_dial(peer, slot, true);
}

void worker_node::ask_to_dial(node_id peer, std::uint64_t slot, bool by_owner) {
  encoder body;
  body.number(slot);
  body.number(by_owner);
  tell(node_frame::dial, peer, body);
}

void worker_node::on_cut(node_id who) {
  tell(node_frame::cut, who, encoder{});
}

void worker_node::forward(node_id to, connection::bytes) {
  throw error{"a message for process " + std::to_string(to)};
}

void worker_node::carry(node_id to, std::shared_ptr<const encoder> piece,
                        bool) {
  control_->send(static_cast<std::uint8_t>(node_frame::parcel), to, {},
                 piece->bytes(), piece);
}

bool worker_node::may_leave(const port& x) {
  tell(node_frame::leave, x.id(), encoder{});
  return true;
}

} // namespace puma::internal
