// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/base/internal/parker.hpp"
#include "puma/buffers/internal/inlet.hpp"
#include "puma/buffers/internal/outlet.hpp"
#include "puma/buffers/internal/queue.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>

/// What the public buffer does, without its part that logs.
namespace puma_test {

using queue_ptr = std::shared_ptr<puma::internal::queue>;

/// Makes a queue for values of `T` whose events nobody hears of.
template <class T>
queue_ptr make_queue(std::size_t capacity, puma::buffer_options options = {}) {
  return std::make_shared<puma::internal::queue>(
    "items", capacity, puma::detail::value_ops_of<T>::value, options,
    [](const puma::internal::queue&, puma::internal::queue::event,
       std::uint64_t) {});
}

/// Publishes as `puma::publisher` does.
template <class T>
puma::publish_result publish(puma::internal::outlet& out, T value) {
  if (out.next != out.limit) {
    ::new (static_cast<void*>(out.next)) T(std::move(value));
    out.next += sizeof(T);
    return puma::publish_result::accepted;
  }
  return out.publish(&value, puma::internal::no_deadline);
}

/// Waits for a value, as `puma::subscription::next` does.
template <class T>
std::optional<T>
next(puma::internal::inlet& in,
     puma::internal::time_point deadline = puma::internal::no_deadline) {
  if (in.wait(deadline) != puma::receive_status::value)
    return std::nullopt;
  auto& value = *reinterpret_cast<T*>(in.next);
  std::optional<T> result{std::move(value)};
  puma::detail::value_ops_of<T>::destroy(in.next, 1);
  in.next += sizeof(T);
  in.release(1);
  puma::internal::wake_list wakes;
  in.offer_room(wakes);
  return result;
}

inline void complete(puma::internal::outlet& out) {
  puma::internal::wake_list wakes;
  out.complete(wakes);
}

} // namespace puma_test
