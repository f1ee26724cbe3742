// SPDX-License-Identifier: Apache-2.0

// What workers say to the owner, and what it makes of that.

#include "puma/actors/detail/crossing.hpp"
#include "puma/base/error.hpp"
#include "puma/base/internal/failure_wire.hpp"
#include "puma/environments/internal/home_node_parts.hpp"
#include "puma/environments/internal/worker_options.hpp"

#include <algorithm>
#include <utility>

namespace puma::internal {

void home_node::on_control(const connection_ptr& from, const frame_header& head,
                           connection::bytes body) {
  const auto who = from->peer();
  const auto id = head.to;
  decoder in{body, static_cast<port_context*>(this)};
  const auto with_worker = [&](auto f) {
    post([this, who, f] {
      if (auto* x = find_worker(who))
        f(*x);
    });
  };
  switch (static_cast<node_frame>(head.kind)) {
  case node_frame::ready: {
    std::string build;
    decode(in, build);
    with_worker([this, build](worker& x) {
      x.ready = true;
      x.last_heard = silence::clock::now();
      // Where there is a node, its greeting has seen to it.
      if (!x.host && build != build_fingerprint())
        end_worker(x, "runs another build: it is '" + build
                        + "', and this process '" + build_fingerprint() + "'");
    });
    break;
  }
  case node_frame::started: {
    std::string name;
    decode(in, name);
    const auto kind = in.number<run_kind>();
    with_worker(
      [this, id, name, kind](worker& x) { on_started(x, id, name, kind); });
    break;
  }
  case node_frame::shape: {
    std::vector<buffer_id> inputs;
    std::vector<buffer_id> outputs;
    decode(in, inputs);
    decode(in, outputs);
    with_worker([this, id, inputs, outputs](worker& x) {
      on_shape(x, id, inputs, outputs);
    });
    break;
  }
  case node_frame::suspended: {
    suspension left;
    if (in.number<bool>())
      left.error = decode_failure(in);
    std::vector<buffer_id> published;
    std::vector<buffer_id> failed;
    decode(in, published);
    decode(in, failed);
    const auto handled_before = in.number<std::uint64_t>();
    count_failed(in);
    if (const auto own = failed.empty() ? nullptr : find(failed.front()))
      left.value = value_in_hand{own->core()->queue(), handled_before};
    with_worker([this, id, left, published](worker& x) {
      on_suspended(x, id, left, published);
    });
    break;
  }
  case node_frame::ended: {
    const auto untaken = in.number<bool>();
    std::optional<failure> error;
    if (in.number<bool>())
      error = decode_failure(in);
    count_failed(in);
    with_worker([this, id, error, untaken](worker& x) {
      on_ended(x, id, error, untaken);
    });
    break;
  }
  case node_frame::status: {
    const auto which = in.number<std::uint32_t>();
    const auto key = detail::decode_key(in);
    const auto make = in.ok()
                        ? detail::find_decoder<detail::status_decoder>(key)
                        : nullptr;
    auto status = make ? make(in) : nullptr;
    if (!status)
      in.fail("a status of an unknown type");
    else
      with_worker([this, id, which,
                   x = std::make_shared<detail::status_ptr>(std::move(status))](
                    worker& y) { on_status(y, id, which, std::move(*x)); });
    break;
  }
  case node_frame::note: {
    const auto what = in.number<note>();
    const auto epoch = in.number<std::uint64_t>();
    with_worker([this, id, what, epoch](worker& x) {
      directory_.on_note(x.id, id, what, epoch);
    });
    break;
  }
  case node_frame::dial: {
    const auto slot = in.number<std::uint64_t>();
    const auto by_owner = in.number<bool>();
    with_worker([this, id, slot, by_owner](const worker& x) {
      on_dial(x, static_cast<node_id>(id), slot, by_owner);
    });
    break;
  }
  case node_frame::cut:
    // What leads from it to this process can only be its own.
    on_cut(id == owner_node ? who : static_cast<node_id>(id));
    break;
  case node_frame::join:
    with_worker([this, id](worker& x) { directory_.on_join(x.id, id); });
    break;
  case node_frame::leave:
    with_worker([this, id](worker& x) { directory_.on_leave(x.id, id); });
    break;
  case node_frame::fault: {
    std::string why;
    decode(in, why);
    on_fault(static_cast<node_id>(id), why);
    break;
  }
  case node_frame::exported:
    post([this, id] { directory_.expect(id, 1); });
    break;
  case node_frame::pong: {
    std::map<run_id, std::string> doing;
    decode(in, doing);
    with_worker([doing](worker& x) {
      x.last_heard = silence::clock::now();
      for (auto& [run, what] : doing)
        if (const auto i = x.runs.find(run); i != x.runs.end())
          i->second->set_activity(what);
    });
    break;
  }
  default:
    throw error{"unknown frame " + std::to_string(head.kind)};
  }
  if (!in.ok())
    throw error{"a frame that cannot be read: " + in.error()};
}

void home_node::count_failed(decoder& from) {
  const auto id = from.number<buffer_id>();
  if (const auto own = id != 0 ? find(id) : nullptr)
    own->core()->queue()->count_failed();
}

void home_node::on_started(worker& from, run_id id, std::string name,
                           run_kind kind) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  const auto run = i->second;
  run->set_activity("waiting");
  auto& record = run->record();
  static_cast<void>(runs_.constructed(record, std::move(name), kind));
  if (run->may_restart())
    return; // its shape follows
  run->drop_tokens(nullptr);
  if (record.care)
    runs_.ready(record, {}, {});
}

void home_node::on_shape(worker& from, run_id id,
                         const std::vector<buffer_id>& inputs,
                         const std::vector<buffer_id>& outputs) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  const auto in = queues_of(inputs);
  const auto out = queues_of(outputs);
  i->second->keep_tokens(out);
  const auto pointers = [](const auto& all) {
    std::vector<const queue*> result;
    for (auto& x : all)
      result.push_back(x.get());
    return result;
  };
  runs_.ready(i->second->record(), pointers(in), pointers(out));
}

void home_node::on_suspended(worker& from, run_id id, suspension left,
                             const std::vector<buffer_id>& published) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  const auto run = std::move(i->second);
  from.runs.erase(i);
  if (from.options.workers == 0)
    dismiss(from);
  const auto outputs = queues_of(published);
  for (auto& x : run->streams)
    x.published = x.published
                  || std::find(outputs.begin(), outputs.end(), x.to)
                       != outputs.end();
  left.held = std::exchange(run->streams, {});
  runs_.detach(run->record());
  runs_.suspended(run->record(), std::move(left), {});
}

std::vector<std::shared_ptr<queue>>
home_node::queues_of(const std::vector<buffer_id>& ids) const {
  std::vector<std::shared_ptr<queue>> result;
  for (auto id : ids)
    if (const auto x = find(id))
      result.push_back(x->core()->queue());
  return result;
}

void home_node::on_ended(worker& from, run_id id,
                         const std::optional<failure>& error, bool untaken) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  const auto run = std::move(i->second);
  from.runs.erase(i);
  run->drop_tokens(error ? &*error : nullptr);
  if (from.options.workers == 0)
    dismiss(from);
  runs_.ended(run->record(), error ? &*error : nullptr, untaken);
}

void home_node::on_status(worker& from, run_id id, std::uint32_t which,
                          detail::status_ptr status) {
  const auto i = from.runs.find(id);
  if (i == from.runs.end())
    return;
  runs_.publish_status(i->second->record(), std::move(status));
  encoder body;
  body.number(which);
  tell(from.id, node_frame::status_seen, id, body);
}

} // namespace puma::internal
