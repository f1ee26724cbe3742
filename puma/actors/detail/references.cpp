// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/references.hpp"

#include "puma/actors/detail/status_value.hpp"
#include "puma/actors/internal/reference_exchange.hpp"
#include "puma/actors/internal/task.hpp"
#include "puma/base/codec.hpp"
#include "puma/base/error.hpp"
#include "puma/buffers/internal/port.hpp"

#include <utility>

namespace puma::detail {

target_ptr refer_in(internal::task& where, kept_ptr x) {
  return where.keep(std::move(x));
}

target_ptr refer_to_runnable(internal::task& where) {
  return where.own_reference();
}

void stand_in(internal::task& where, kept_ptr x) {
  where.stand_in(std::move(x));
}

void publish_status(internal::task& where, status_ptr x) {
  where.publish_status(std::move(x));
}

void export_reference(encoder& to, const target_ptr& x) {
  auto* context = static_cast<internal::port_context*>(to.context());
  if (!context)
    throw usage_error{x->describe()
                      + ": a reference to it can only go to another process of "
                        "its runtime"};
  context->references().export_reference(to, x);
}

target_ptr import_reference(decoder& from) {
  if (auto* context = static_cast<internal::port_context*>(from.context()))
    return context->references().import_reference(from);
  from.fail("a reference that came out of place");
  return nullptr;
}

} // namespace puma::detail
