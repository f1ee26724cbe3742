// SPDX-License-Identifier: Apache-2.0

#include "puma/base/detail/nesting_mark.hpp"

#include "puma/base/error.hpp"

namespace puma::detail {

namespace {

thread_local const nesting_mark* innermost = nullptr;

} // namespace

nesting_mark::nesting_mark(const void* thing, const char* kind,
                           const std::string& name)
  : thing_(thing),
    outer_(innermost) {
  for (const auto* x = innermost; x; x = x->outer_)
    if (x->thing_ == thing)
      throw usage_error{std::string{kind} + " '" + name
                        + "': used within its own change or predicate"};
  innermost = this;
}

nesting_mark::~nesting_mark() {
  innermost = outer_;
}

} // namespace puma::detail
