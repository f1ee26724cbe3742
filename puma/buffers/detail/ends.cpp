// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/detail/ends.hpp"

#include "puma/base/error.hpp"
#include "puma/base/internal/wait_driver.hpp"
#include "puma/buffers/internal/inlet.hpp"
#include "puma/buffers/internal/outlet.hpp"
#include "puma/buffers/internal/port.hpp"
#include "puma/buffers/internal/queue.hpp"
#include "puma/buffers/subscriber.hpp"
#include "puma/logging/log.hpp"

#include <algorithm>
#include <utility>

namespace puma::detail {

namespace {

using internal::inlet;
using internal::outlet;
using internal::queue;

void notify(const queue& q, queue::event what, std::uint64_t count) {
  const auto text = [&] {
    const auto start = "buffer '" + q.name() + "': ";
    switch (what) {
    case queue::event::dropped_newest:
      return start + "full, dropped " + std::to_string(count)
             + " value(s) that came last";
    case queue::event::dropped_oldest:
      return start + "full, dropped the " + std::to_string(count)
             + " oldest value(s)";
    case queue::event::left_over:
      return start + "discarded with " + std::to_string(count)
             + " value(s) that nobody took";
    case queue::event::after_end:
      return start + std::to_string(count)
             + " value(s) came after the end of its stream, and were dropped";
    case queue::event::gone_in_use:
      break;
    }
    return start + "its last handle is gone while " + std::to_string(count)
           + " publisher(s) or subscription(s) are open";
  };
  // With `latest`, dropping is what was asked for.
  const bool expected = what == queue::event::dropped_oldest
                        && q.options().overflow == overflow::latest;
  log(expected ? log_level::debug : log_level::warning, "puma.buffers", text());
}

outlet& end_of(write_window* x) {
  if (!x)
    throw usage_error{
      "publisher: not open; it was closed, moved from, or "
      "never opened on a buffer"};
  return static_cast<outlet&>(*x);
}

const outlet& end_of(const write_window* x) {
  return end_of(const_cast<write_window*>(x));
}

inlet& end_of(read_window* x) {
  if (!x)
    throw usage_error{
      "subscription: not open; it was closed, moved from, or "
      "never opened on a buffer"};
  return static_cast<inlet&>(*x);
}

const inlet& end_of(const read_window* x) {
  return end_of(const_cast<read_window*>(x));
}

/// Runs `what` with the list that collects its wakes: the running slice's, or
/// one that fires at once.
template <class F>
void with_wakes(F what) {
  // A dedicated runnable's hook may go on to block for long.
  if (auto* running = internal::party::current();
      running && !running->may_wait()) {
    what(running->pending_wakes());
  } else {
    internal::wake_list wakes;
    what(wakes);
  }
}

} // namespace

void throw_no_buffer() {
  throw usage_error{
    "buffer: this handle denotes no buffer; make one with "
    "make_buffer or a name and a capacity"};
}

void throw_no_value_hook() {
  throw usage_error{
    "subscriber: neither on_value nor on_values is "
    "overridden"};
}

void closed_twice(std::string_view what) {
  log(log_level::debug, "puma.buffers", std::string{what} + ": closed already");
}

buffer_core::buffer_core(std::string name, std::size_t capacity,
                         const value_ops& ops, buffer_options options) {
  if (name.empty())
    throw usage_error{"buffer: the name must not be empty"};
  if (capacity == 0)
    throw usage_error{"buffer '" + name + "': the capacity must be at least 1"};
  queue_ = std::make_shared<internal::queue>(std::move(name), capacity, ops,
                                             options, &notify);
  queue_->add_handle();
}

buffer_core::~buffer_core() {
  if (queue_)
    queue_->drop_handle();
}

std::string_view name_of(const buffer_core& x) noexcept {
  return x.queue()->name();
}

std::size_t capacity_of(const buffer_core& x) noexcept {
  return x.queue()->capacity();
}

buffer_stats stats_of(const buffer_core& x) {
  return x.queue()->stats();
}

// -- between processes --------------------------------------------------------

void export_buffer(encoder& to, const buffer_core_ptr& x) {
  const auto& q = *x->queue();
  if (const auto why = q.ops().obstacle(); !why.empty())
    throw usage_error{"buffer '" + q.name()
                      + "': its values cannot go to another process: " + why};
  auto* context = static_cast<internal::port_context*>(to.context());
  if (!context)
    throw usage_error{"buffer '" + q.name()
                      + "': its handle can only go to another process of its "
                        "runtime"};
  context->export_buffer(to, x);
}

buffer_core_ptr import_buffer(decoder& from, const value_ops& ops) {
  auto* context = static_cast<internal::port_context*>(from.context());
  if (context && ops.wire)
    return context->import_buffer(from, ops);
  from.fail("a buffer's handle that came out of place");
  return nullptr;
}

// -- the publisher's end ------------------------------------------------------

void outlet_deleter::operator()(write_window* x) const noexcept {
  outlet::close(static_cast<outlet*>(x));
}

outlet_ptr open_outlet(const buffer_core& x, publish_options options) {
  return outlet_ptr{new outlet{x.queue(), internal::party::current(), options}};
}

std::string_view name_of(const write_window* x) {
  return end_of(x).target().name();
}

publish_result publish(write_window* x, void* value) {
  return end_of(x).publish(value, internal::no_deadline);
}

publish_result publish_for(write_window* x, void* value,
                           std::chrono::nanoseconds timeout) {
  // A wait with a limit stays one, however far the limit is.
  return end_of(x).publish(
    value, std::min(internal::deadline_after(timeout),
                    internal::no_deadline - std::chrono::nanoseconds{1}));
}

publish_result try_publish(write_window* x, void* value) {
  return end_of(x).try_publish(value);
}

void flush(write_window* x) {
  internal::wake_list wakes;
  end_of(x).flush(wakes);
  if (auto* running = internal::party::current())
    running->fire_pending_wakes();
}

void complete(write_window* x) {
  with_wakes([x](auto& wakes) { end_of(x).complete(wakes); });
}

void fail(write_window* x, const failure& error) {
  with_wakes([&](auto& wakes) { end_of(x).fail(error, wakes); });
}

bool is_live(const write_window* x) {
  return end_of(x).live();
}

std::size_t backlog(const write_window* x) {
  return end_of(x).backlog();
}

// -- the subscription's end ---------------------------------------------------

void inlet_deleter::operator()(read_window* x) const noexcept {
  inlet::close(static_cast<inlet*>(x));
}

inlet_ptr open_inlet(const buffer_core& x) {
  return inlet_ptr{new inlet{x.queue(), nullptr}};
}

std::string_view name_of(const read_window* x) {
  return end_of(x).source().name();
}

receive_status receive(read_window* x) {
  return end_of(x).wait(internal::no_deadline);
}

receive_status receive_for(read_window* x, std::chrono::nanoseconds timeout) {
  return end_of(x).wait(internal::deadline_after(timeout));
}

receive_status try_receive(read_window* x) {
  return end_of(x).refill(false);
}

void release_one(read_window* x, std::size_t value_size) noexcept {
  auto& end = static_cast<inlet&>(*x);
  end.next += value_size;
  end.release(1);
  internal::wake_list wakes;
  end.offer_room(wakes);
}

const failure& error_of(const read_window* x) {
  return end_of(x).error();
}

} // namespace puma::detail
