// SPDX-License-Identifier: Apache-2.0

#include "puma/buffers/internal/chunk.hpp"

#include <algorithm>
#include <new>

namespace puma::internal {

namespace {

std::size_t alignment_of(const detail::value_ops& ops) noexcept {
  return std::max<std::size_t>(ops.align, alignof(std::max_align_t));
}

} // namespace

chunk* new_chunk(std::uint32_t capacity, const detail::value_ops& ops) {
  const auto align = alignment_of(ops);
  const auto offset = (sizeof(chunk) + ops.align - 1) / ops.align * ops.align;
  const auto bytes = offset + std::size_t{capacity} * ops.size;
  auto* memory = align > __STDCPP_DEFAULT_NEW_ALIGNMENT__
                   ? ::operator new (bytes, std::align_val_t{align})
                   : ::operator new(bytes);
  return ::new (memory)
    chunk{nullptr, 0, 0, capacity, static_cast<std::uint32_t>(offset)};
}

void delete_chunk(chunk* x, const detail::value_ops& ops) noexcept {
  const auto align = alignment_of(ops);
  if (x->count() != 0)
    ops.destroy(x->at(x->begin, ops), x->count());
  if (align > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
    ::operator delete (static_cast<void*>(x), std::align_val_t{align});
  else
    ::operator delete(static_cast<void*>(x));
}

} // namespace puma::internal
