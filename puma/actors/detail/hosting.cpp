// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/hosting.hpp"

#include "puma/actors/internal/task.hpp"

namespace puma::detail {

namespace {

internal::task* running_task() noexcept {
  return dynamic_cast<internal::task*>(internal::party::current());
}

} // namespace

internal::task& running_host() noexcept {
  return *running_task();
}

void announce_object(const void* begin, std::size_t size) noexcept {
  running_task()->announce_object(begin, size);
}

internal::task* claim_host(const runnable& x) noexcept {
  auto* running = running_task();
  return running && running->claim(x) ? running : nullptr;
}

const void* current_scope() noexcept {
  return internal::party::current();
}

bool is_in_construction(const void* part) noexcept {
  const auto* running = running_task();
  return running && running->makes(part);
}

std::string describe_current_scope() {
  if (const auto* running = running_task())
    return running->describe();
  return internal::party::current() ? "an actor"
                                    : "a thread outside of runnables";
}

std::size_t add_input(internal::task& host, const buffer_core& source,
                      const input_ops& ops, void* subscriber) {
  return host.add_input(source.queue(), ops, subscriber);
}

void hold_input(internal::task& host, std::size_t number) {
  host.hold_input(number);
}

void resume_input(internal::task& host, std::size_t number) {
  host.resume_input(number);
}

void await_room(internal::task& host) noexcept {
  host.await_room();
}

void require_input(internal::task& host) {
  host.require_input();
}

void set_source(internal::task& host, source_runnable& source) {
  host.set_source(source);
}

} // namespace puma::detail
