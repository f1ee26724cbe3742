// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/detail/shared_place.hpp"

#include "puma/base/error.hpp"
#include "puma/environments/internal/shared_slot.hpp"

#include <exception>
#include <utility>

namespace puma::detail {

using internal::shared_slot;

namespace {

shared_place place_of(std::shared_ptr<shared_slot> slot) {
  shared_place result;
  if (slot)
    result.address = &slot->value();
  result.slot = std::move(slot);
  return result;
}

} // namespace

shared_place make_place() noexcept {
  try {
    return place_of(shared_slot::make(shared_slot::size_class::word));
  } catch (const std::exception&) {
    return {}; // this system has no such memory: it stays in this process
  }
}

void export_place(encoder& to, const std::string& name, std::uint8_t type,
                  const shared_place& x) {
  shared_slot::export_handle(to, internal::primitive::value, name, type,
                             x.slot);
}

shared_place import_place(decoder& from, std::string& name, std::uint8_t type) {
  return place_of(
    shared_slot::import_handle(from, internal::primitive::value, name, type));
}

void throw_no_primitive(const char* what) {
  throw usage_error{std::string{what}
                    + ": this handle denotes nothing; take one that an "
                      "environment has made"};
}

} // namespace puma::detail
