// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/buffers/detail/window.hpp"

#include <cstddef>
#include <cstdint>

namespace puma::internal {

/// Raw storage for some values, handed over as a whole. The values in
/// `[begin, end)` are alive.
struct chunk {
  chunk* next;
  std::uint32_t begin;
  std::uint32_t end;
  std::uint32_t capacity;
  std::uint32_t data_offset;

  [[nodiscard]] std::uint32_t count() const noexcept { return end - begin; }

  [[nodiscard]] std::uint32_t space() const noexcept { return capacity - end; }

  [[nodiscard]] std::byte* at(std::uint32_t index,
                              const detail::value_ops& ops) noexcept {
    return reinterpret_cast<std::byte*>(this) + data_offset
           + std::size_t{index} * ops.size;
  }
};

/// Allocates an empty chunk for `capacity` values.
chunk* new_chunk(std::uint32_t capacity, const detail::value_ops& ops);

/// Destroys the values in `x` and frees it.
void delete_chunk(chunk* x, const detail::value_ops& ops) noexcept;

/// A singly linked list of chunks, in order.
struct chunk_list {
  chunk* head = nullptr;
  chunk* tail = nullptr;

  [[nodiscard]] bool empty() const noexcept { return head == nullptr; }

  void push_back(chunk* x) noexcept {
    x->next = nullptr;
    if (tail)
      tail->next = x;
    else
      head = x;
    tail = x;
  }

  void push_front(chunk* x) noexcept {
    x->next = head;
    head = x;
    if (!tail)
      tail = x;
  }

  chunk* pop_front() noexcept {
    auto* x = head;
    head = x->next;
    if (!head)
      tail = nullptr;
    return x;
  }

  /// Puts all of `front` before the chunks of this list.
  void prepend(chunk_list front) noexcept {
    if (front.empty())
      return;
    front.tail->next = head;
    head = front.head;
    if (!tail)
      tail = front.tail;
  }
};

} // namespace puma::internal
