// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/detail/shared_text.hpp"

#include "puma/environments/internal/shared_slot.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace puma::detail {

using internal::shared_slot;

namespace {

constexpr auto kind = internal::primitive::text;

using length_type = std::uint32_t;

static_assert(shared_text::most_bytes + sizeof(length_type)
              == internal::shared_arena::text_bytes);

} // namespace

shared_text shared_text::make() {
  shared_text result;
  result.slot_ = shared_slot::make(shared_slot::size_class::text);
  return result;
}

/// The value of the slot counts the changes, and so says which half is valid.
struct shared_text::access::held {
  shared_slot& slot;
  shared_slot::lock lock;
};

shared_text::access::access(const shared_text& x, const std::string& what)
  : held_(new held{*x.slot_, {*x.slot_, internal::no_deadline, what}}) {}

shared_text::access::~access() = default;

std::span<const std::byte> shared_text::access::bytes() const noexcept {
  const auto half = held_->slot.text(held_->slot.value().load() % 2);
  length_type length = 0;
  std::memcpy(&length, half.data(), sizeof(length));
  return half.subspan(sizeof(length),
                      std::min<std::size_t>(length, most_bytes));
}

void shared_text::access::write(std::span<const std::byte> x) noexcept {
  auto& changes = held_->slot.value();
  const auto half = held_->slot.text((changes.load() + 1) % 2);
  const auto length = static_cast<length_type>(x.size());
  std::memcpy(half.data(), &length, sizeof(length));
  if (!x.empty()) // of nothing, memcpy may not even be told where it is
    std::memcpy(half.data() + sizeof(length), x.data(), x.size());
  changes.fetch_add(1);
}

void shared_text::encode(encoder& to, const std::string& name) const {
  shared_slot::export_handle(to, kind, name, 0, slot_);
}

shared_text shared_text::decode(decoder& from, std::string& name) {
  shared_text result;
  result.slot_ = shared_slot::import_handle(from, kind, name, 0);
  return result;
}

} // namespace puma::detail
